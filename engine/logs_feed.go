package engine

import (
	"context"
	"sync"
	"time"
)

// feed is what one reader of a log has read lately, for several takers. Lines stay
// in a ring of bounded size. The reader waits a moment for takers that take lines
// as fast as they can, but not for one that holds up the others: that one falls
// behind the ring.
type feed struct {
	limit  int           // bytes that the ring holds
	alone  time.Duration // how long the reader waits for the slowest
	others time.Duration // how long it does so while others have nothing to take
	moved  chan struct{} // holds one entry when the reader may have to wait no more

	mu      sync.Mutex
	ring    ring
	takers  map[*taker]struct{} // that are not behind
	slow    int                 // how many of them need the oldest segment, as of the last trim
	idle    int                 // how many of them have nothing to take
	changed chan struct{}       // closed and replaced when there is something new
}

// taker is one of those who take lines of a feed.
type taker struct {
	next int64 // the number of the line after what it has taken
	idle bool  // it has found nothing to take
	slow bool  // it is counted as one that needs the oldest segment
}

func (f *feed) init(limit int) {
	f.limit = limit
	f.moved = make(chan struct{}, 1)
	f.takers = map[*taker]struct{}{}
	f.changed = make(chan struct{})
}

// wake tells the takers that there is something new. The caller holds mu.
func (f *feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// take gives the segment of line number i, for the taker to take the line and all
// after it, if there are any. It is not ok if the line is gone. The caller holds
// mu.
func (f *feed) take(t *taker, i int64) (s segment, ok bool) {
	f.forget(t)
	if i < f.ring.first() {
		return segment{}, false
	}
	s = f.ring.at(i)
	f.count(t, s.end(), i == s.end())
	return s, true
}

// count counts a taker. The caller holds mu.
func (f *feed) count(t *taker, next int64, idle bool) {
	f.takers[t] = struct{}{}
	t.next, t.idle = next, idle
	f.countSlow(t)
	if idle {
		f.idle++
	}
	if idle || f.slow == 0 {
		f.signal()
	}
}

// forget counts a taker no more, if it was counted. The caller holds mu.
func (f *feed) forget(t *taker) {
	if _, there := f.takers[t]; !there {
		return
	}
	delete(f.takers, t)
	if t.slow {
		f.slow--
	}
	if t.idle {
		f.idle--
	}
	if f.slow == 0 {
		f.signal()
	}
}

// quit ends the taking.
func (f *feed) quit(t *taker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(t)
}

func (f *feed) countSlow(t *taker) {
	if t.slow = len(f.ring.segments) > 0 && t.next < f.ring.segments[0].end(); t.slow {
		f.slow++
	}
}

func (f *feed) signal() {
	select {
	case f.moved <- struct{}{}:
	default:
	}
}

// makeRoom gives up the oldest lines once nobody needs them any more, or the time
// of those who do is over.
func (f *feed) makeRoom(ctx context.Context) {
	for began := time.Now(); ctx.Err() == nil; {
		wait, full := f.trim(time.Since(began))
		if !full {
			return
		}
		select {
		case <-f.moved:
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// trim gives up the lines that it can after the reader has waited so long. If the
// ring is still full it says how much longer to wait.
func (f *feed) trim(waited time.Duration) (wait time.Duration, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.ring.bytes > f.limit && len(f.ring.segments) > 1 {
		f.recount()
		limit := f.alone
		if f.idle > 0 {
			limit = f.others
		}
		if f.slow > 0 && waited < limit {
			return limit - waited, true
		}
		f.drop()
	}
	return 0, false
}

// recount counts again, now that there are more lines: who had nothing to take may
// have something.
func (f *feed) recount() {
	f.slow, f.idle = 0, 0
	newest := f.ring.segments[len(f.ring.segments)-1].first
	for t := range f.takers {
		f.countSlow(t)
		if t.idle = t.idle && t.next >= newest; t.idle {
			f.idle++
		}
	}
}

// drop gives up the oldest segment. Takers that need it are behind.
func (f *feed) drop() {
	for t := range f.takers {
		if t.slow {
			f.forget(t)
		}
	}
	f.ring.drop()
}
