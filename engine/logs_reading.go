package engine

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// readings read logs from some position to their end, each for all the followers
// that come for the same while it still has its first line.
type readings struct {
	places chan struct{} // an entry for each that runs

	mu   sync.Mutex
	open map[string]*reading // those that can be joined, by the cursor of where they begin
	wide int                 // how many hold a ring of full size
}

const (
	widest = 16           // readings that hold a ring of full size
	narrow = 4 * MaxChunk // what the ring of any other holds

	// mostReadings bounds what followers that are behind, or read from many
	// places, take of memory and of the engine: the rings take 310 MiB at most.
	// The next ones wait for a place.
	mostReadings = 1024
	placeWait    = 10 * time.Second

	// readingPatience is how long a follower that has taken all there is waits for
	// one that is slower, until that has to read by itself.
	readingPatience = 250 * time.Millisecond
)

// reading is one reading of a log. It goes no faster than its followers take
// lines, for what lies in the engine's log costs no memory.
type reading struct {
	feed
	hub    *hub
	key    string
	was    note // where the hub was before it began
	from   position
	wide   bool
	cancel context.CancelFunc
	done   chan struct{}

	holders int // guarded by readings.mu

	// Guarded by feed.mu.
	ended bool
	end   logQuery // how far it got by then
	err   error
}

// join gives a reading of the hub's log after pos. It has to be left.
func (rs *readings) join(ctx context.Context, h *hub, pos position, t *taker) (*reading, error) {
	key := encodeCursor(h.id, pos)
	if r := rs.enter(key, t, func() *reading { return nil }); r != nil {
		return r, nil
	}
	if err := rs.takePlace(ctx, h.name); err != nil {
		return nil, err
	}
	begun := false
	r := rs.enter(key, t, func() *reading {
		begun = true
		return rs.begin(h, key, pos)
	})
	if !begun { // somebody has, meanwhile
		<-rs.places
	}
	return r, nil
}

// enter gives the reading that can be joined there, or the one that begin gives.
func (rs *readings) enter(key string, t *taker, begin func() *reading) *reading {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r, ok := rs.open[key]
	if !ok {
		r = begin()
	}
	if r != nil {
		r.holders++
		r.mu.Lock()
		defer r.mu.Unlock()
		r.count(t, 0, false)
	}
	return r
}

// takePlace waits until one more reading may run.
func (rs *readings) takePlace(ctx context.Context, name string) error {
	late := time.NewTimer(placeWait)
	defer late.Stop()
	select {
	case rs.places <- struct{}{}:
		return nil
	case <-late.C:
		return &Error{Class: TooBusy, Reason: "the log of " + name + " is not read back, for too many others are: go on after the cursor, later", Data: api.ErrorData{Limit: "readings"}}
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (rs *readings) begin(h *hub, key string, pos position) *reading {
	r := &reading{hub: h, key: key, was: h.note(), from: pos, wide: rs.wide < widest, done: make(chan struct{})}
	r.alone, r.others = math.MaxInt64, readingPatience
	r.init(narrow)
	if r.wide {
		rs.wide++
		r.limit = cmp.Or(h.e.hubs.ringLimit, ringLimit)
	}
	if rs.open == nil {
		rs.open = map[string]*reading{}
	}
	rs.open[key] = r
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return r
}

// close lets nobody join the reading from here on.
func (rs *readings) close(r *reading) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open[r.key] == r {
		delete(rs.open, r.key)
	}
}

// leave ends the reading with its last follower, and returns when it has ended.
func (rs *readings) leave(r *reading, t *taker) {
	r.quit(t)
	if rs.release(r) {
		r.cancel()
		<-r.done
		<-rs.places
	}
}

func (rs *readings) release(r *reading) (last bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.holders--; r.holders > 0 {
		return false
	}
	if rs.open[r.key] == r {
		delete(rs.open, r.key)
	}
	if r.wide {
		rs.wide--
	}
	return true
}

func (r *reading) run(ctx context.Context) {
	q := logQuery{id: r.hub.id, pos: r.from}
	err := r.hub.e.readLog(ctx, &q, func(line logLine, pos position) error {
		if full := r.add(line, pos, q.gap); full {
			r.hub.e.hubs.readings.close(r) // the first line is about to go
			r.makeRoom(ctx)
		}
		return ctx.Err()
	})
	r.hub.e.hubs.readings.close(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.end, r.err = true, q, err
	r.wake()
}

// add says whether the ring is full. The gap is before the first line.
func (r *reading) add(line logLine, pos position, gap bool) (full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if begun := r.ring.add(line, pos, gap && len(r.ring.segments) == 0); !begun {
		return false
	}
	r.wake()
	return r.ring.bytes > r.limit
}

// readingView is what a follower sees of a reading.
type readingView struct {
	lines   segment // with the line that was asked for, or empty
	behind  bool    // that line is not in the ring any more
	ended   bool    // no more lines come
	end     logQuery
	err     error
	changed <-chan struct{} // is closed when there is more to see
}

// view gives the lines from number i on, as far as one segment holds them. One
// that may still grow is kept back, so that few frames carry them.
func (r *reading) view(t *taker, i int64) readingView {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := readingView{ended: r.ended, end: r.end, err: r.err, changed: r.changed}
	lines, ok := r.take(t, i)
	if growing := ok && lines.end() == r.ring.end() && !r.ended; growing {
		r.forget(t)
		r.count(t, i, true)
		return v
	}
	v.lines, v.behind = lines, !ok
	return v
}
