package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"go.uber.org/zap"
)

// A container is in doubt when it may be otherwise than the state has it: before
// anybody has looked at it, and when changes of it may have been missed. Who asks
// for it looks first.

// sketch stores what the list tells of a container that is not known, so that
// its name and its hosts lead there, and doubts the rest. One that is known
// stays as it is.
func (s *state) sketch(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := func(g *record) bool { return g.ID == r.ID }
	if old, known := s.byName[r.Name]; known && was(old) || slices.ContainsFunc(s.gone, was) {
		return
	}
	s.place(r)
	s.doubted[r.ID] = true
}

// sketchKept is sketch for a container that was replaced.
func (s *state) sketchKept(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, known := s.kept[r.Name]; known && old.ID == r.ID {
		return
	}
	s.kept[r.Name] = r
	s.doubted[r.ID] = true
}

// doubtAll says that changes of any container may have been missed.
func (s *state) doubtAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.byName {
		s.doubted[r.ID] = true
	}
}

// doubts gives the ids of those in doubt.
func (s *state) doubts() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.doubted) == 0 {
		return nil
	}
	return slices.Collect(maps.Keys(s.doubted))
}

// inDoubt says whether the container with this id has to be looked at.
func (s *state) inDoubt(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.doubted[id]
}

// trust ends the doubt about a container that cannot be looked at.
func (s *state) trust(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.doubted, id)
}

// clearInBackground looks at all that is in doubt. What it cannot look at stays
// as it was known before, or unknown, and nobody waits for it any more. End ends
// that.
func (e *Engine) clearInBackground(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var clearing sync.WaitGroup
	clearing.Go(func() {
		_ = each(e.state.doubts(), func(id string) error { // never fails
			if err := e.clear(ctx, id, syncTimeout); err != nil && !lost(err) && ctx.Err() == nil {
				e.log.Warn("a container could not be looked at", zap.String("id", id), zap.Error(err))
				e.state.trust(id)
			}
			return nil
		})
	})
	return func() {
		cancel()
		clearing.Wait()
	}
}

// certain waits until nothing is in doubt.
func (e *Engine) certain(ctx context.Context) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	ids := e.state.doubts()
	if ids == nil {
		return nil
	}
	err := each(ids, func(id string) error { return e.clear(ctx, id, readTimeout) })
	return e.wrap(err, "", "", "it is not known how all containers are")
}

// clear looks at a container if it is still in doubt. One that is gone, or is
// nobody's name any more, is in none.
func (e *Engine) clear(ctx context.Context, id string, limit time.Duration) error {
	_, err := within(ctx, limit, func(ctx context.Context) (r *record, err error) {
		unlock, err := e.refresh.lock(ctx, id)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if e.state.inDoubt(id) {
			r, _, err = e.observe(ctx, id)
		}
		return r, err
	})
	if errdefs.IsNotFound(err) {
		e.state.trust(id)
		return nil
	}
	return err
}
