package torture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/dockwire/dockwire/client/api"
)

// follower follows the log of a container that writes numbered lines.
type follower struct {
	t    testing.TB
	name string

	mu      sync.Mutex // guards what follows
	numbers []int      // of the lines, as they came
	told    []string   // the states of the stream
	gap     bool
	ended   bool
	err     error
	changed chan struct{} // closed and replaced when there is something new
}

// follow follows a log from its begin, on a connection of its own.
func (s *storm) follow(name string) *follower {
	f := &follower{t: s.T, name: name, changed: make(chan struct{})}
	c := s.client()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for out, err := range c.FollowLogs(ctx, name, api.LogsParams{}) {
			f.take(out, err)
		}
		f.end()
	}()
	s.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

func (f *follower) take(out api.Output, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range out.Lines {
		f.numbers = append(f.numbers, numberOf(line.Text))
	}
	if out.State != "" {
		f.told = append(f.told, out.State)
	}
	f.gap = f.gap || out.Gap
	f.err = err
	close(f.changed)
	f.changed = make(chan struct{})
}

// end notes that nothing more comes.
func (f *follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	close(f.changed)
	f.changed = make(chan struct{})
}

// numberOf gives the number in a line of the probe's, or -1.
func numberOf(text string) int {
	var n int
	if _, err := fmt.Sscanf(text, "line %d", &n); err != nil {
		return -1
	}
	return n
}

// wait waits until ok is true, which is asked with the lock held.
func (f *follower) wait(what string, ok func() bool) {
	f.t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		done, changed := ok(), f.changed
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late:
			f.mu.Lock()
			defer f.mu.Unlock()
			f.t.Fatalf("a follower of %s waits for %s: it has %d lines, states %q, ended %v with %v", f.name, what, len(f.numbers), f.told, f.ended, f.err)
		}
	}
}

func (f *follower) await(lines int) {
	f.t.Helper()
	f.wait(fmt.Sprintf("line %d", lines), func() bool { return len(f.numbers) >= lines })
}

func (f *follower) awaitState(state string) {
	f.t.Helper()
	f.wait(state, func() bool { return slices.Contains(f.told, state) })
}

func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.numbers)
}

func (f *follower) states() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.told)
}

// forgetStates forgets what was told, once that is no pause which still lasts: an
// engine that is slow for a moment makes one too, and it would not be told twice.
func (f *follower) forgetStates() {
	f.t.Helper()
	f.wait("the end of a pause", func() bool {
		if n := len(f.told); n > 0 && f.told[n-1] == api.StreamPaused {
			return false
		}
		f.told = nil
		return true
	})
}

// nothingLostOrDoubled stops the apps and sees that every follower has had the
// very lines that the engine has in its log.
func (s *storm) nothingLostOrDoubled() {
	s.Helper()
	c := s.client()
	defer c.Close()
	logs, lines := map[string][]int{}, 0
	for n := range scale().apps {
		must[api.Container](s)(c.Stop(s.Context(), writer(n), api.StopParams{}))
		logs[writer(n)] = s.engine.numbers(writer(n))
	}
	for _, f := range s.followers {
		want := logs[f.name]
		f.await(len(want))
		f.mu.Lock()
		if !slices.Equal(f.numbers, want) || f.gap {
			s.Errorf("a follower of %s had %d lines (gap %v), the engine has %d; they differ at %d", f.name, len(f.numbers), f.gap, len(want), differ(f.numbers, want))
		}
		lines += len(f.numbers)
		f.mu.Unlock()
	}
	s.Logf("%d lines to %d followers were the engine's", lines, len(s.followers))
}

func differ(a, b []int) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// numbers gives those of the lines that the engine itself has in a log.
func (e *engine) numbers(name string) (numbers []int) {
	e.t.Helper()
	body, err := e.cli.ContainerLogs(e.t.Context(), name, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		e.t.Fatal(err)
	}
	defer body.Close()
	var text strings.Builder
	if _, err := stdcopy.StdCopy(&text, &text, body); err != nil {
		e.t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		numbers = append(numbers, numberOf(line))
	}
	return numbers
}
