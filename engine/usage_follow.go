package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// UsageUpdate is one element of FollowTop.
type UsageUpdate struct {
	Usage   api.Usage
	Dropped int64  // samples left out just before this one, because the caller was busy
	State   string // api.StreamPaused or api.StreamResumed, without usage; else ""
}

// FollowTop samples what the container with this name uses, every p.Interval
// seconds, rounded to whole ones, of which 0 is 1. It goes on through stop, start
// and restart; nothing comes while the container does not run. A caller that is
// busy gets the newest sample next. The sequence ends without an error when the
// container is removed, with one when ctx ends.
func (e *Engine) FollowTop(ctx context.Context, name string, p api.TopParams) iter.Seq2[UsageUpdate, error] {
	return func(yield func(UsageUpdate, error) bool) {
		err := e.followTop(ctx, name, p, func(u UsageUpdate) bool { return yield(u, nil) })
		if err != nil && !errors.Is(err, errLeft) {
			yield(UsageUpdate{}, err)
		}
	}
}

func (e *Engine) followTop(ctx context.Context, name string, p api.TopParams, yield func(UsageUpdate) bool) error {
	step, err := stepOf(p.Interval)
	if err != nil {
		return err
	}
	r, err := e.find(ctx, name)
	if err != nil {
		return err
	}
	s := e.sampler(name, r.ID)
	defer s.leave()
	for w := (watcher{step: step}); ; {
		v := s.view()
		if update, ok := w.next(v); ok {
			if !yield(update) {
				return errLeft
			}
			continue
		}
		if v.ended {
			return e.usageError(v.err, name)
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stepOf gives how many of the engine's samples, one a second, an interval is.
func stepOf(interval float64) (int64, error) {
	const most = 24 * 60 * 60
	if interval == 0 {
		return 1, nil
	}
	if !(interval >= 1 && interval <= most) {
		return 0, invalid("interval", "interval is %v: 1 to %d seconds are allowed", interval, most)
	}
	return int64(math.Round(interval)), nil
}

// CheckTop says whether parameters of top are allowed. The error is of class
// Invalid and names the parameter.
func (e *Engine) CheckTop(p api.TopParams) error {
	_, err := stepOf(p.Interval)
	return err
}

// sampler reads the usage of a container for all who watch it, while there are
// any.
type sampler struct {
	e        *Engine
	name, id string
	cancel   context.CancelFunc
	done     chan struct{}

	mu sync.Mutex
	samplerView
}

// samplerView is what a watcher sees of a sampler.
type samplerView struct {
	last, older *sample // the newest, and the one before of the same run, if any
	seq, run    int64   // of the newest there was
	stopped     bool    // the container does not run
	paused      bool    // the engine is away
	ended       bool    // the container is gone, or err
	err         error
	changed     chan struct{} // closed when there is more to see
}

// sampler gives the sampler of a container. It has to be left.
func (e *Engine) sampler(name, id string) *sampler {
	return e.samplers.join(id, func() *sampler {
		s := &sampler{e: e, name: name, id: id, done: make(chan struct{}), samplerView: samplerView{changed: make(chan struct{})}}
		var ctx context.Context
		ctx, s.cancel = context.WithCancel(context.Background())
		go func() {
			defer close(s.done)
			s.sample(ctx)
		}()
		return s
	})
}

func (s *sampler) leave() {
	if s.e.samplers.leave(s.id) {
		s.cancel()
		<-s.done
	}
}

func (s *sampler) view() samplerView {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.samplerView
}

// update changes what the watchers see, and wakes them.
func (s *sampler) update(change func(*samplerView)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.samplerView)
	close(s.changed)
	s.changed = make(chan struct{})
}

// sample reads samples, connection by connection, until ctx ends or the container
// is gone.
func (s *sampler) sample(ctx context.Context) {
	backoff := s.e.hubs.backoff()
	for ctx.Err() == nil {
		err := s.read(ctx, backoff)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRemoved), errdefs.IsNotFound(err):
			s.update(func(v *samplerView) { v.ended = true })
			return
		case errors.Is(err, io.EOF): // the container is gone, as the next attempt will tell
		case passing(err):
			s.update(func(v *samplerView) { v.paused, v.err = true, err })
		default:
			s.update(func(v *samplerView) { v.ended, v.err = true, err })
			return
		}
		backoff.wait(ctx)
	}
}

// read takes the samples of one answer of the engine.
func (s *sampler) read(ctx context.Context, backoff *backoff) error {
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) {
		return s.e.cli.ContainerInspect(ctx, s.id)
	})
	if err != nil {
		return err
	}
	stats, err := s.e.cli.ContainerStats(ctx, s.id, true)
	if err != nil {
		return err
	}
	defer stats.Body.Close()
	for decoder := json.NewDecoder(stats.Body); ; {
		var raw container.StatsResponse
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		backoff.reset()
		next, running := sampleOf(s.name, &raw, coresOf(c))
		if r, ok := s.e.state.get(s.name); !running && (!ok || r.ID != s.id) {
			return errRemoved // the engine can go on with zeros when it was asked while it removed the container
		}
		s.update(func(v *samplerView) { v.add(next, running) })
	}
}

// add takes the next sample, of a container that runs or not.
func (v *samplerView) add(next *sample, running bool) {
	v.paused, v.err, v.stopped = false, nil, !running
	if !running {
		v.last, v.older = nil, nil
		return
	}
	next.seq = v.seq + 1
	v.seq = next.seq
	v.older = v.last
	if v.older == nil || next.cpu < v.older.cpu {
		v.older = nil
		v.run++
	}
	next.run = v.run
	v.last = next
}

// watcher is one caller's way along the samples.
type watcher struct {
	step   int64 // it takes each step-th sample
	last   *sample
	paused bool
}

// next gives what the watcher is to be told next, if there is something.
func (w *watcher) next(v samplerView) (UsageUpdate, bool) {
	if w.paused != v.paused && !v.ended {
		w.paused = v.paused
		if v.paused {
			return UsageUpdate{State: api.StreamPaused}, true
		}
		return UsageUpdate{State: api.StreamResumed}, true
	}
	if v.last == nil || v.last == w.last {
		return UsageUpdate{}, false
	}
	older, dropped := v.older, int64(0)
	if w.last != nil && w.last.run == v.last.run {
		steps := (v.last.seq - w.last.seq) / w.step
		if steps == 0 {
			return UsageUpdate{}, false
		}
		older, dropped = w.last, steps-1
	}
	if older == nil {
		return UsageUpdate{}, false
	}
	w.last = v.last
	return UsageUpdate{Usage: v.last.usageSince(older), Dropped: dropped}, true
}
