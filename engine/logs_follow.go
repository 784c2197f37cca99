package engine

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// FollowLogs follows the log of a name: first the wanted lines that there are,
// then each as it is written, through stop, start and restart. After an update it
// goes on to the end of what the old container writes, and then with the new one.
// The sequence ends without an error when the container is removed, or when until
// is reached; with an error when ctx ends, or when the log cannot be read at all.
// While the engine is away it waits, and says so with a chunk of State.
//
// Lines gather while the caller is busy with a chunk; the next one holds as many
// as fit in MaxChunk. A caller that is slow costs bounded memory, slows nobody
// else, and loses nothing but what the engine's own log forgets meanwhile: then
// Gap is set, without lines if none come after it.
// Cursors go on exactly after the last line of their chunk. Lines left out by
// the filters are not counted as dropped.
func (e *Engine) FollowLogs(ctx context.Context, name string, p api.LogsParams) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		err := e.followLogs(ctx, name, p, func(c Chunk) bool { return yield(c, nil) })
		if err != nil && !errors.Is(err, errLeft) {
			yield(Chunk{}, err)
		}
	}
}

func (e *Engine) followLogs(ctx context.Context, name string, p api.LogsParams, yield func(Chunk) bool) error {
	r, err := e.find(ctx, name)
	if err != nil {
		return err
	}
	q, err := newLogQuery(p)
	if err != nil {
		return err
	}
	parts := e.logParts(r, q).after(p.After)
	if err := e.spreadTail(ctx, parts); err != nil {
		return e.logError(err, name)
	}
	q.tail = api.Tail{} // of what is still to come all is wanted
	f := &follower{e: e, name: name, yield: yield}
	for len(parts) > 0 {
		switch err := f.follow(ctx, parts); {
		case errors.Is(err, errLeft):
			return err
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return e.logError(err, name)
		}
		parts = f.next(ctx, q, parts[len(parts)-1])
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return f.tellGap()
}

// errLeft says that the follower's caller wants no more.
var errLeft = errors.New("the follower left")

// follower is one caller's way along a log. Of each part it reads what there is from the
// engine, then takes what comes from the hub, and if it falls behind reads from
// the engine again.
type follower struct {
	*logQuery
	e      *Engine
	name   string
	hub    *hub
	yield  func(Chunk) bool
	paused bool // the caller was told so last
	chunk  Chunk
	own    segment // lines that it reads by itself, until they are handed out
}

func (f *follower) run(ctx context.Context) error {
	backoff := f.hub.e.hubs.backoff()
	for behind := false; ; behind = true {
		last := f.expired()
		was, err := f.history(ctx)
		switch {
		case err == nil && last:
			return nil
		case err == nil:
			backoff.reset()
			if err := f.live(ctx, was); !errors.Is(err, errBehind) {
				return err
			}
			if paused, _ := f.hub.isPaused(); paused { // it was waited for, and the engine went away
				if err := f.sitOut(ctx, backoff); err != nil {
					return err
				}
			}
		case errors.Is(err, errBehind):
		case gone(err):
			return f.lose(behind)
		case passing(err) && ctx.Err() == nil:
			if err := f.sitOut(ctx, backoff); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// sitOut says that the engine is away, and waits for it and for the hub: who goes
// on by itself before the hub does would be told of two pauses.
func (f *follower) sitOut(ctx context.Context, backoff *backoff) error {
	if err := f.tell(true); err != nil {
		return err
	}
	backoff.wait(ctx)
	f.hub.e.awaitUp(ctx)
	f.hub.awaitResumed(ctx)
	return nil
}

// lose ends the follow of a container that is gone. If the follower was behind,
// lines went with it.
func (f *follower) lose(behind bool) error {
	f.gap = f.gap || behind
	return f.tellGap()
}

// tellGap says that lines are missing, if no line has come that could say so.
func (f *follower) tellGap() error {
	if !f.gap {
		return nil
	}
	f.gap = false
	if !f.yield(Chunk{Gap: true, Cursor: encodeCursor(f.id, f.pos)}) {
		return errLeft
	}
	return nil
}

// expired says whether no further line can be wanted.
func (f *follower) expired() bool { return f.until != 0 && time.Now().UnixNano() >= f.until }

// history hands out the wanted lines up to the end of the log, and gives where
// the hub was before. Those who want every line share the reading.
func (f *follower) history(ctx context.Context) (was note, err error) {
	if _, limited := f.tail.Lines(); limited || f.skip > 0 || !f.all() {
		was = f.hub.note()
		return was, f.readAlone(ctx)
	}
	return f.readShared(ctx)
}

func (f *follower) readAlone(ctx context.Context) error {
	err := f.hub.e.readLog(ctx, f.logQuery, func(line logLine, pos position) error {
		if err := f.tell(false); err != nil {
			return err
		}
		for !f.own.add(line, pos) {
			if err := f.flushOwn(); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errLeft) {
		return err
	}
	if flushed := f.flushOwn(); flushed != nil {
		return flushed
	}
	f.own = segment{}
	if err == nil {
		err = f.tell(false)
	}
	return err
}

func (f *follower) flushOwn() error {
	f.add(&f.own, 0, len(f.own.lines))
	f.own = f.own.next()
	return f.flush()
}

func (f *follower) readShared(ctx context.Context) (was note, err error) {
	var t taker
	r, err := f.hub.e.hubs.readings.join(ctx, f.hub, f.pos, &t)
	if err != nil {
		return was, err
	}
	defer f.hub.e.hubs.readings.leave(r, &t)
	for i := int64(0); err == nil; {
		v := r.view(&t, i)
		switch {
		case v.behind:
			err = errBehind
		case v.lines.end() > i:
			if err = f.tell(false); err == nil {
				i = f.take(&v.lines, i)
				err = f.flush()
			}
		case v.ended && v.err == nil:
			f.gap, f.pos = f.gap || i == 0 && v.end.gap, v.end.pos
			return r.was, f.tell(false)
		case v.ended:
			err = v.err
		default:
			err = await(ctx, v.changed, nil)
		}
	}
	return r.was, err
}

// errBehind says that the follower has to read on from the engine.
var errBehind = errors.New("the follower is behind the hub's ring")

// live hands out lines as the hub gets them. It returns nil when the container
// is gone.
func (f *follower) live(ctx context.Context, was note) error {
	i, ok, err := f.hub.enter(ctx, was, f.pos)
	if err != nil {
		return err
	}
	var expired <-chan time.Time
	if f.until != 0 {
		expired = time.After(time.Until(time.Unix(0, f.until)))
	}
	var t taker
	defer f.hub.quit(&t)
	for ok && err == nil {
		v := f.hub.view(&t, i)
		if v.behind {
			break
		}
		i = f.take(&v.lines, i)
		switch {
		case f.chunk.Count > 0:
			if err = f.tell(false); err == nil { // if the engine was away, it was so before these lines
				err = f.flush()
			}
		case v.ended:
			return v.err
		case f.paused != v.paused:
			err = f.tell(v.paused)
		default:
			err = await(ctx, v.changed, expired)
		}
	}
	return cmp.Or(err, errBehind)
}

func await(ctx context.Context, changed <-chan struct{}, expired <-chan time.Time) error {
	select {
	case <-changed:
		return nil
	case <-expired:
		return errBehind // a last look, and then the end
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take fills the chunk with the wanted lines of a segment from number i on, and
// gives the number after its last one.
func (f *follower) take(s *segment, i int64) int64 {
	k, n := int(i-s.first), len(s.lines)
	if k == n {
		return i
	}
	f.gap = f.gap || s.gap && k == 0
	if !f.all() {
		k = f.choose(s, k)
	}
	f.add(s, k, n)
	f.moveTo(s.lines[n-1].pos)
	return s.end()
}

// choose puts the wanted lines of a segment into the chunk, but for the run at its
// end, and gives where that begins.
func (f *follower) choose(s *segment, k int) (last int) {
	for last = k; k < len(s.lines); k++ {
		if !f.match(s.lines[k].pos.last, func() []byte { return s.text(k) }) {
			f.add(s, last, k)
			last = k + 1
		}
		f.moveTo(s.lines[k].pos)
	}
	return last
}

// add puts the lines of a segment from the k-th on and before the n-th into the
// chunk.
func (f *follower) add(s *segment, k, n int) {
	if k < n {
		f.chunk.Lines = append(f.chunk.Lines, s.run(k, n))
		f.chunk.Count += n - k
	}
}

// flush hands out the chunk, if there are lines in it.
func (f *follower) flush() error {
	if f.chunk.Count == 0 {
		return nil
	}
	f.chunk.Gap, f.gap = f.gap, false
	f.chunk.Cursor = encodeCursor(f.id, f.pos)
	chunk := f.chunk
	f.chunk = Chunk{}
	if !f.yield(chunk) {
		return errLeft
	}
	return nil
}

// tell says that the engine is away, or back, if the caller does not know yet.
func (f *follower) tell(paused bool) error {
	if f.paused == paused {
		return nil
	}
	f.paused = paused
	state := api.StreamResumed
	if paused {
		state = api.StreamPaused
	}
	if !f.yield(Chunk{State: state}) {
		return errLeft
	}
	return nil
}
