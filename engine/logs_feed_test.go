package engine

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// fill adds a line that fills a segment of its own, as a reader does.
func (f *feed) fill(t *testing.T, i int64) {
	f.mu.Lock()
	m := mark{fromStdout, i, 0}
	f.ring.add(logLine{mark: m, text: []byte(strings.Repeat("x", MaxChunk))}, position{last: m}, false)
	f.wake()
	f.mu.Unlock()
	f.makeRoom(t.Context())
}

// next takes a line as a follower does, and says whether it was there, or that
// the taker is behind.
func (f *feed) next(t *taker, i int64) (there, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.take(t, i)
	return ok && s.end() > i, !ok
}

func TestAReaderWaitsForTheSlowestButNotForOneThatHoldsUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{alone: math.MaxInt64, others: time.Second}
		f.init(3 * MaxChunk)
		var slow, quick taker
		f.next(&slow, 0)
		f.next(&quick, 0)
		f.fill(t, 0)
		f.fill(t, 1)
		for i := range int64(2) {
			f.next(&quick, i)
		}
		full := make(chan time.Duration)
		go func() {
			began := time.Now()
			f.fill(t, 2)
			full <- time.Since(began)
		}()
		time.Sleep(time.Hour)
		select {
		case <-full:
			t.Fatal("the reader did not wait for its slowest taker while the other was busy")
		default:
		}
		f.next(&quick, 2)
		f.next(&quick, 3) // it has to wait now
		if waited := <-full; waited < time.Hour || waited > time.Hour+2*time.Second {
			t.Errorf("the reader waited for %v", waited)
		}
		if _, behind := f.next(&slow, 0); !behind {
			t.Error("the slow one is not behind")
		}
		if there, behind := f.next(&quick, 2); !there || behind {
			t.Error("the quick one has lost a line")
		}
		f.quit(&quick)
		f.quit(&slow)
		if f.slow != 0 || f.idle != 0 || len(f.takers) != 0 {
			t.Errorf("%d slow, %d idle are left of %d", f.slow, f.idle, len(f.takers))
		}
	})
}

// The reader goes on, and has read more, before its followers get to see that.
func TestAFollowerLearnsThatTheEngineIsBackBeforeItGetsWhatCameAfter(t *testing.T) {
	h := &hub{started: true}
	h.init(ringLimit)
	var got []string
	f := &follower{logQuery: &logQuery{id: testID}, hub: h, paused: true, yield: func(c Chunk) bool {
		got = append(got, c.State+string(c.AppendLines(nil)))
		return true
	}}
	m := mark{fromStdout, 1, 0}
	line := logLine{mark: m, text: []byte("x")}
	h.add(line, position{last: m}, false)
	h.end(nil)
	if err := f.live(t.Context(), note{started: true}); err != nil {
		t.Fatal(err)
	}
	if want := []string{api.StreamResumed, string(line.appendJSON(nil))}; !slices.Equal(got, want) {
		t.Errorf("it got %q, want %q", got, want)
	}
}
