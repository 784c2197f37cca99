package client

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

func TestCounterTakesWhatAddsUp(t *testing.T) {
	type event struct{ seq, lines, want int64 }
	for _, c := range []struct {
		what   string
		count  counter
		events []event
		ok     bool
	}{
		{"lines one after another", counter{}, []event{{1, 1, 1}, {4, 3, 4}}, true},
		{"an event without lines", counter{}, []event{{2, 2, 2}, {2, 0, 2}, {3, 1, 3}}, true},
		{"a stream that is joined midway", counter{midway: true}, []event{{42, 2, 42}, {43, 1, 43}}, true},
		{"a lost line", counter{}, []event{{1, 1, 1}, {3, 1, 0}}, false},
		{"a repeated line", counter{}, []event{{1, 1, 1}, {1, 1, 0}}, false},
		{"a stream that does not begin at its beginning", counter{}, []event{{2, 1, 0}}, false},
	} {
		var err error
		for _, e := range c.events {
			seq := e.seq
			if err = c.count.add(&seq, e.lines); err == nil && seq != e.want {
				t.Errorf("%s: %d became %d, want %d", c.what, e.seq, seq, e.want)
			}
		}
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrIncomplete) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestCounterCountsOnWhenTheStreamStartsAnew(t *testing.T) {
	var count counter
	for _, first := range []int64{2, 3} {
		seq := first
		if err := count.add(&seq, first); err != nil {
			t.Fatal(err)
		}
		if err := count.end(first); err != nil {
			t.Error(err)
		}
		count.restart()
	}
	if count.seq != 5 {
		t.Errorf("the consumer has seen %d lines, want 5", count.seq)
	}
	if err := count.end(1); !errors.Is(err, ErrIncomplete) {
		t.Errorf("a stream that ended with one line too few: %v", err)
	}
}

func TestRosterTellsWhatWasRemovedUnseen(t *testing.T) {
	var r roster
	event := func(now []string, gap bool, containers ...api.Container) []string {
		out := api.ListOutput{Containers: containers, Gap: gap}
		asked := func() ([]api.Container, error) {
			var list []api.Container
			for _, name := range now {
				list = append(list, api.Container{Name: name})
			}
			return list, nil
		}
		if _, err := r.update(&out, asked); err != nil {
			t.Fatal(err)
		}
		var gone []string
		for _, c := range out.Containers {
			if c.State == api.StateRemoved {
				gone = append(gone, c.Name)
			}
		}
		slices.Sort(gone)
		return gone
	}
	a, b, c := api.Container{Name: "a"}, api.Container{Name: "b"}, api.Container{Name: "c"}
	r.restart()
	if gone := event(nil, false, a, b, c); len(gone) > 0 {
		t.Errorf("a fresh list removes %q", gone)
	}
	r.restart()
	if gone := event([]string{"a"}, false, a); !slices.Equal(gone, []string{"b", "c"}) {
		t.Errorf("after a lost connection %q are gone, want b and c", gone)
	}
	if gone := event([]string{}, false, b); len(gone) > 0 {
		t.Errorf("a change removes %q", gone)
	}
	if gone := event([]string{"b"}, true, b); !slices.Equal(gone, []string{"a"}) {
		t.Errorf("after a gap %q are gone, want a", gone)
	}
}

func TestAnErrorIsTheLastOfASequence(t *testing.T) {
	failure := errors.New("failure")
	var seen []int
	var last error
	for n, err := range sequence(func(emit func(int) error) error { return errors.Join(emit(1), emit(2), failure) }) {
		if err != nil {
			last = err
			continue
		}
		seen = append(seen, n)
	}
	if !slices.Equal(seen, []int{1, 2}) || !errors.Is(last, failure) {
		t.Errorf("saw %v, then %v", seen, last)
	}
}

func TestDurationsBackFromNowGrowWhileALogIsFollowed(t *testing.T) {
	got := resumed(api.LogsParams{Since: "10m", Until: "2026-01-02T03:04:05Z"}, time.Minute)
	if got.Since != "11m0s" || got.Until != "2026-01-02T03:04:05Z" {
		t.Errorf("a minute later they are %q and %q", got.Since, got.Until)
	}
}

func TestPausesDoubleUpToABoundAndStartAgainAfterALife(t *testing.T) {
	var b backoff
	for want := minWait; want < 3*minWait; want *= 2 {
		begun := time.Now()
		if err := b.sleep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); b.last != want || took < want/2 {
			t.Errorf("paused %v of %v, want of %v", took, b.last, want)
		}
	}
	b.reset()
	if err := b.sleep(t.Context()); err != nil || b.last != minWait {
		t.Errorf("after a sign of life the pause is %v, %v", b.last, err)
	}
}
