package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// sampler reads the usage of a container for all who watch it, while there are
// any, and for a while longer: who asks again is answered at once.
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
	e.lingering.keep(id, func() (release func()) { return e.joinSampler(name, id).leave })
	return e.joinSampler(name, id)
}

func (e *Engine) joinSampler(name, id string) *sampler {
	return e.samplers.join(id, func() *sampler {
		s := &sampler{e: e, name: name, id: id, done: make(chan struct{}), samplerView: samplerView{changed: make(chan struct{})}}
		var ctx context.Context
		ctx, s.cancel = context.WithCancel(context.Background())
		go func() {
			defer close(s.done)
			defer e.lingering.release(id)
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
			s.e.awaitUp(ctx)
		default:
			s.update(func(v *samplerView) { v.ended, v.err = true, err })
			return
		}
		backoff.wait(ctx)
	}
}

// soon is how long after a lone sample the next is taken where the engine can do
// so: two of the periods in which the kernel enforces CPU limits, so that a
// container at its limit is not caught at work or at rest.
const soon = 200 * time.Millisecond

// longestSilence is how old the last sample may be: they come every second.
const longestSilence = 5 * time.Second

// read takes the samples of one answer of the engine, and others of its own next
// to lone ones.
func (s *sampler) read(ctx context.Context, backoff *backoff) error {
	ctx, cancel := s.e.untilSilent(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	tooLate := time.AfterFunc(readTimeout, cancel)
	defer tooLate.Stop()
	beside.Go(func() { s.sampleBeside(ctx, 0) })
	stats, err := s.e.cli.ContainerStats(ctx, s.id, true)
	if err != nil {
		return orSilent(ctx, unanswered(err))
	}
	defer stats.Body.Close()
	for decoder := json.NewDecoder(stats.Body); ; {
		next, err := s.decode(decoder)
		if err != nil {
			return orSilent(ctx, err)
		}
		tooLate.Reset(longestSilence)
		backoff.reset()
		if r, ok := s.e.state.get(s.name); next == nil && (!ok || r.ID != s.id) {
			return errRemoved // the engine can go on with zeros when it was asked while it removed the container
		}
		if s.add(next) {
			beside.Go(func() { s.sampleBeside(ctx, soon) })
		}
	}
}

// orSilent gives the error of a stream that was ended because nothing came.
func orSilent(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return unavailable(err, api.OutcomeNone, "the engine does not tell in time what containers use: see whether it is overloaded")
}

// decode reads a sample, nil for that of a container which does not run.
func (s *sampler) decode(from *json.Decoder) (*sample, error) {
	var raw container.StatsResponse
	if err := from.Decode(&raw); err != nil {
		return nil, err
	}
	var cores float64
	if r, ok := s.e.state.get(s.name); ok && r.ID == s.id {
		cores = r.cores
	}
	next, _ := sampleOf(s.name, &raw, cores)
	return next, nil
}

// sampleBeside takes samples beside those of the stream until there are two, the
// first after a while. A current engine gives each at once, where its stream may
// be a second away. An older one gives those of its stream.
func (s *sampler) sampleBeside(ctx context.Context, after time.Duration) {
	for alone := true; alone; after = soon {
		pause(ctx, after)
		stats, err := s.e.cli.ContainerStatsOneShot(ctx, s.id)
		if err != nil {
			return // the stream tells what is wrong
		}
		next, err := s.decode(json.NewDecoder(stats.Body))
		stats.Body.Close()
		if err != nil || next == nil {
			return
		}
		alone = s.add(next)
	}
}

// add takes the next sample, nil of a container that does not run, and says
// whether it stands alone.
func (s *sampler) add(next *sample) (alone bool) {
	s.update(func(v *samplerView) {
		v.add(next)
		alone = v.last != nil && v.older == nil
	})
	return alone
}

// add takes the next sample, nil of a container that does not run. One that is
// hardly newer than the last would tell nothing, and is not taken; one that is far
// older says that the engine's clock was put back, and that all begins anew.
func (v *samplerView) add(next *sample) {
	v.paused, v.err, v.stopped = false, nil, next == nil
	if next == nil {
		v.last, v.older = nil, nil
		return
	}
	var passed time.Duration
	if v.last != nil {
		passed = next.Time.Sub(v.last.Time.Time)
		if passed < soon/2 && passed >= -longestSilence {
			return
		}
	}
	next.seq = v.seq + 1
	v.seq = next.seq
	v.older = v.last
	if v.older == nil || passed < 0 || next.cpu < v.older.cpu {
		v.older = nil
		v.run++
	}
	next.run = v.run
	v.last = next
}
