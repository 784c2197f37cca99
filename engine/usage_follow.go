package engine

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/dockwire/dockwire/client/api"
)

// UsageUpdate is one element of FollowTop.
type UsageUpdate struct {
	Usage   api.Usage
	Dropped int64  // samples left out just before this one, because the caller was busy
	State   string // api.StreamPaused or api.StreamResumed, without usage; else ""
}

// FollowTop samples what the container with this name uses, every p.Interval
// seconds, rounded to whole ones, of which 0 is 1. It goes on through stop, start,
// restart and update; nothing comes while the container does not run. A caller that is
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
	for {
		err := e.sampler(name, r.ID).watch(ctx, step, yield)
		next, ok := e.state.get(name)
		if err != nil || !ok || next.ID == r.ID {
			return e.usageError(err, name)
		}
		r = next
	}
}

// watch hands out samples until the container is gone, or another has its name,
// and leaves the sampler.
func (s *sampler) watch(ctx context.Context, step int64, yield func(UsageUpdate) bool) error {
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
			return v.err
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
