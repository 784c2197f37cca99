package engine

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"
)

// hubs are the hubs of the containers whose logs are followed.
type hubs struct {
	shared[hub]
	readings    readings
	ringLimit   int           // bytes of lines in a hub's ring; 4 MiB if 0
	first, last time.Duration // bounds of the time between two attempts to reach the engine; those of Run if 0
	quiet       time.Duration // quietTime if 0
}

// hubPatience is how long a hub waits for its followers when all of them are
// busy: so a log that is written faster than they can take it reaches them from
// here, and each does not read it again from the engine. It is far less than a log
// takes to be rotated twice.
const hubPatience = 100 * time.Millisecond

// hub reads the log of a container for all its followers. It runs while there
// are any, and lets none wait for another: a follower takes lines out of the ring,
// and one that fell behind the ring reads on from the engine.
type hub struct {
	feed
	e        *Engine
	key      string // in hubs
	name, id string
	heard    atomic.Int64 // how often the engine has said something
	cancel   context.CancelFunc
	done     chan struct{} // closed when the reader is gone; nil before it was started

	// Guarded by feed.mu.
	fresh   bool // there is something new, and changed is not closed yet
	started bool
	paused  bool               // the engine is away
	cut     context.CancelFunc // ends the answer that is read; nil if none is
	ended   bool               // the container is gone, or err
	err     error
}

// hub gives the hub of a container. It has to be left. One that came back by a
// rollback gets another than it had, which may have ended and not be left yet.
func (e *Engine) hub(name string, p logPart) *hub {
	key := p.id + "@" + strconv.FormatInt(p.from, 10)
	return e.hubs.join(key, func() *hub {
		h := &hub{e: e, key: key, name: name, id: p.id}
		h.init(cmp.Or(e.hubs.ringLimit, ringLimit))
		h.alone = hubPatience
		return h
	})
}

// leave ends the hub with its last follower, and returns when it has ended.
func (h *hub) leave() {
	if h.e.hubs.leave(h.key) && h.done != nil {
		h.cancel()
		<-h.done
	}
}

// note is where a hub was at some time.
type note struct {
	started bool
	end     int64
	last    mark
}

func (h *hub) note() note {
	h.mu.Lock()
	defer h.mu.Unlock()
	return note{h.started, h.ring.end(), h.ring.last()}
}

// enter gives the number of the line after pos, for a follower that noted where
// the hub was and then read the log to its end, which is pos. The hub may be
// behind; then it waits. If nobody has started the hub, it begins after pos. It
// is not ok if lines after pos may have left the ring already: then note and
// read again.
func (h *hub) enter(ctx context.Context, was note, pos position) (i int64, ok bool, err error) {
	for {
		h.mu.Lock()
		if !h.started {
			h.start(pos)
		}
		i, ok, wait := h.find(was, pos.last)
		changed := h.changed
		h.mu.Unlock()
		if !wait {
			return i, ok, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
}

// find gives the number of the line after m, if it can be told, and whether to
// wait because m is still to come. The line m is not older than the note.
func (h *hub) find(was note, m mark) (i int64, ok, wait bool) {
	there := was.started && was.end >= h.ring.first()
	if there && (m == was.last || m == mark{}) {
		return was.end, true, false
	}
	if h.err != nil {
		return h.ring.end(), true, false
	}
	i, ok, gap := h.ring.after(m, was.end)
	return i, ok, !ok && !gap && there && !h.ended && !h.paused
}

// isPaused says whether the engine is away, and gives a channel that is closed
// when that may have changed.
func (h *hub) isPaused() (paused bool, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.paused, h.changed
}

// awaitResumed waits until the hub reads again, or has ended, or ctx ends.
func (h *hub) awaitResumed(ctx context.Context) {
	for {
		paused, changed := h.isPaused()
		if !paused || await(ctx, changed, nil) != nil {
			return
		}
	}
}

// hubView is what a follower sees of a hub.
type hubView struct {
	lines   segment // with the line that was asked for and more, or without
	behind  bool    // that line is not in the ring any more
	paused  bool
	ended   bool // no more lines come
	err     error
	changed <-chan struct{} // is closed when there is more to see
}

// view gives the lines from number i on, as far as one segment holds them.
func (h *hub) view(t *taker, i int64) hubView {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines, ok := h.take(t, i)
	return hubView{lines: lines, behind: !ok, paused: h.paused, ended: h.ended, err: h.err, changed: h.changed}
}

// start begins to read after pos. The caller holds mu.
func (h *hub) start(pos position) {
	var ctx context.Context
	ctx, h.cancel = context.WithCancel(context.Background())
	h.started, h.ring.before, h.done = true, pos.last, make(chan struct{})
	go func() {
		defer close(h.done)
		watched, unwatch := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { h.watch(watched) })
		h.run(ctx, pos)
		unwatch()
		watch.Wait()
	}()
}

// errRemoved says that the container is gone.
var errRemoved = errors.New("the container was removed")

// run reads the log, answer by answer, until ctx ends or the container is gone.
// It follows, unless the answer before cannot be trusted: then it first reads
// what there is.
func (h *hub) run(ctx context.Context, pos position) {
	backoff, rotation, follow := h.e.hubs.backoff(), rotationWatch{}, true
	for ctx.Err() == nil {
		before, followed := pos, follow
		err := h.read(ctx, &pos, &rotation, follow, backoff)
		follow = !errors.Is(err, errRotated) && !errors.Is(err, errNotMet)
		if errors.Is(err, io.EOF) && followed && pos == before { // else the engine may have passed over the rest
			err = h.awaitStart(ctx, backoff)
		}
		switch {
		case ctx.Err() != nil || err == nil || errors.Is(err, io.EOF) || errors.Is(err, errRotated):
		case errors.Is(err, errNotMet):
			backoff.wait(ctx)
		case errors.Is(err, errRemoved) || gone(err):
			h.end(nil)
			return
		case passing(err):
			h.e.log.Debug("the log is cut off", zap.String("name", h.name), zap.Error(err))
			h.setPaused(true)
			backoff.wait(ctx)
			h.e.awaitUp(ctx)
		default:
			h.e.log.Warn("a log cannot be followed any more", zap.String("name", h.name), zap.Error(err))
			h.end(err)
			return
		}
	}
}

// read puts the lines of one answer of the engine into the ring, and moves pos
// along. It ends with an error, io.EOF if it is the container that ended.
func (h *hub) read(ctx context.Context, pos *position, rotation *rotationWatch, follow bool, backoff *backoff) error {
	whole := ctx
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	h.setCut(cut)
	defer h.setCut(nil)
	err := h.readAnswer(ctx, pos, rotation, follow, backoff)
	if ctx.Err() != nil && whole.Err() == nil {
		return errRotated // watch has cut it
	}
	return err
}

// readAnswer is read, until ctx ends.
func (h *hub) readAnswer(ctx context.Context, pos *position, rotation *rotationWatch, follow bool, backoff *backoff) error {
	r, gap, err := h.e.openLogAfter(ctx, h.id, *pos, logOptions{follow: follow, idle: h.hear})
	if err != nil {
		return err
	}
	defer r.Close()
	h.setPaused(false)
	for {
		line, err := r.next()
		if err == nil && follow && rotation.rotated(line) {
			err = errRotated
		}
		if err != nil {
			h.announce()
			return err
		}
		rotation.note(line)
		backoff.reset()
		*pos = pos.advance(line, r.demuxer)
		if begun := h.add(line, *pos, gap); begun {
			h.announce()
			h.makeRoom(ctx)
		}
		gap = false
	}
}

// add says whether the line begins a segment.
func (h *hub) add(line logLine, pos position, gap bool) (begun bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fresh = true
	return h.ring.add(line, pos, gap)
}

// hear notes that the engine has said something, also while the answer has not
// got to what is new in it, and wakes the followers.
func (h *hub) hear() {
	h.heard.Add(1)
	h.announce()
}

// announce wakes the followers if there are new lines. It is called whenever the
// hub has nothing more to do at once, so that it is done once for many lines
// when they come fast.
func (h *hub) announce() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fresh {
		h.fresh = false
		h.wake()
	}
}

func (h *hub) setCut(cut context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = cut
}

func (h *hub) setPaused(paused bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused != paused {
		h.paused = paused
		h.wake()
	}
}

func (h *hub) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended, h.err, h.paused = true, err, false
	h.wake()
}

// awaitStart returns nil when there may be more to read than before the engine
// ended its answer: the container was started again.
func (h *hub) awaitStart(ctx context.Context, backoff *backoff) error {
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) {
		return h.e.cli.ContainerInspect(ctx, h.id)
	})
	if err != nil {
		return err
	}
	if c.State.Running && !c.State.Restarting {
		backoff.wait(ctx) // it was started already, or is not marked as ended yet
		return nil
	}
	started := timeOf(c.State.StartedAt)
	for first := true; ; first = false {
		changed := h.e.state.next()
		r, ok := h.e.state.get(h.name)
		switch {
		case !ok || r.ID != h.id:
			return errRemoved
		case !r.Started.Equal(started.Time):
			if first { // it may be the state that is behind, and nothing new
				backoff.wait(ctx)
			}
			return nil
		}
		h.setPaused(!h.e.state.isUp())
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *hubs) backoff() *backoff {
	return newBackoff(cmp.Or(h.first, firstBackoff), cmp.Or(h.last, lastBackoff))
}

// backoff is the time between two attempts.
type backoff struct{ first, last, next time.Duration }

func newBackoff(first, last time.Duration) *backoff { return &backoff{first, last, first} }

func (b *backoff) reset() { b.next = b.first }

func (b *backoff) wait(ctx context.Context) {
	pause(ctx, b.next)
	b.next = min(2*b.next, b.last)
}
