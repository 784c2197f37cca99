package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// An engine that hangs keeps its connections and says nothing on them. Who waits
// for an answer that may take long, or for the next line of a log, cannot tell
// that from one that has nothing to say: so it is asked.
const (
	pulseEvery   = 2 * time.Second
	pulseTimeout = 4 * time.Second // more than for a question: what this ends may be long under way
)

// silence tells all who wait for the engine that it has fallen silent. The zero
// value is ready.
type silence struct {
	mu   sync.Mutex
	fell chan struct{} // closed and replaced each time
}

// next gives a channel that is closed when the engine next falls silent.
func (s *silence) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fell == nil {
		s.fell = make(chan struct{})
	}
	return s.fell
}

// fall tells all.
func (s *silence) fall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fell != nil {
		close(s.fell)
		s.fell = nil
	}
}

// feelPulse asks the engine again and again whether it lives, until ctx ends. If
// it does not answer, all who wait for it learn so, and fail does.
func (e *Engine) feelPulse(ctx context.Context, fail func(error)) {
	for tick := time.NewTicker(pulseEvery); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
		_, err := within(ctx, pulseTimeout, func(ctx context.Context) (types.Ping, error) { return e.cli.Ping(ctx) })
		if err != nil && ctx.Err() == nil {
			e.log.Debug("the engine has no pulse", zap.Error(err))
			e.state.setUp(false)
			e.silence.fall()
			fail(err)
		}
	}
}

// untilSilent gives a context that ends when ctx does, or when the engine falls
// silent: then errSilent is its cause.
func (e *Engine) untilSilent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	fell := e.silence.next()
	go func() {
		select {
		case <-fell:
			cancel(errSilent)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// errSilent says that the engine stopped to answer while it was waited for.
var errSilent = unavailable(nil, api.OutcomeUnknown, "the engine does not answer any more: see whether it hangs or is overloaded")

// causeOf gives why what was done under ctx failed with err: the silence of the
// engine, if it was that.
func causeOf(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}
