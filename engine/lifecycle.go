package engine

import (
	"context"
	"math"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// Start starts the container called name. One that runs is left as it is.
func (e *Engine) Start(ctx context.Context, name string) (api.Container, error) {
	return e.changeState(ctx, name, func(ctx context.Context, r *record) error {
		return e.start(ctx, r.ID, name)
	})
}

const (
	defaultStop = 10 * time.Second
	longestStop = 10 * time.Minute
)

// Stop stops the container called name: its stop signal first, and after timeout
// seconds (10 when nil) a kill. One that does not run is left as it is.
func (e *Engine) Stop(ctx context.Context, name string, timeout *float64) (api.Container, error) {
	return e.interrupt(ctx, name, timeout, func(ctx context.Context, r *record, options container.StopOptions) error {
		return e.wrapMutation(e.cli.ContainerStop(ctx, r.ID, options), kindContainer, name, "%s could not be stopped", name)
	})
}

// Restart stops the container called name as Stop does, and starts it. One that
// does not run is started.
func (e *Engine) Restart(ctx context.Context, name string, timeout *float64) (api.Container, error) {
	return e.interrupt(ctx, name, timeout, func(ctx context.Context, r *record, options container.StopOptions) error {
		return e.startError(ctx, e.cli.ContainerRestart(ctx, r.ID, options), r.ID, name)
	})
}

// Remove removes the container called name, running or not, with the one that it
// replaced, its network and its anonymous volumes. With volumes, its named volumes go too, but for
// those that another container has. It answers the container as it last was,
// with the state removed.
func (e *Engine) Remove(ctx context.Context, name string, volumes bool) (api.Container, error) {
	var last api.Container
	err := e.change(ctx, name, e.cfg.Drain, func(ctx context.Context) error {
		r, err := e.find(ctx, name)
		if err != nil {
			return err
		}
		defer e.cutOff(ctx, r)()
		last = r.Container
		last.State = api.StateRemoved
		return e.remove(ctx, r, volumes)
	})
	if err != nil {
		return api.Container{}, err
	}
	return last, nil
}

func (e *Engine) remove(ctx context.Context, r *record, volumes bool) error {
	c, err := e.cli.ContainerInspect(ctx, r.ID)
	if err != nil && !errdefs.IsNotFound(err) {
		return e.wrapMutation(err, kindContainer, r.Name, "%s could not be removed", r.Name)
	}
	if kept, ok := e.state.replaced(r.Name); ok {
		if err := e.removeContainer(ctx, kept.ID, r.Name); err != nil {
			return err
		}
	}
	if err := e.removeContainer(ctx, r.ID, r.Name); err != nil {
		return err
	}
	if err := e.releaseNetwork(ctx, r.Name, r.network); err != nil {
		e.log.Warn("a network was left behind, until the next connect", zap.String("name", r.Name), zap.Error(err))
	}
	if !volumes {
		return nil
	}
	return e.removeVolumes(ctx, c.Mounts)
}

// removeContainer removes a container. Nobody looks at it meanwhile, so that
// its address is gone from the state before another can get it.
func (e *Engine) removeContainer(ctx context.Context, id, name string) error {
	unlock, err := e.refresh.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	e.state.cutOff(name, id)
	err = e.cli.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return e.wrapMutation(err, kindContainer, name, "%s could not be removed", name)
	}
	e.state.drop(name, id)
	return nil
}

// changeState does what do says to the container and answers how it is then.
func (e *Engine) changeState(ctx context.Context, name string, do func(context.Context, *record) error) (c api.Container, err error) {
	err = e.change(ctx, name, 0, func(ctx context.Context) error {
		r, err := e.find(ctx, name)
		if err == nil {
			c, err = e.stateAfter(ctx, r, do)
		}
		return err
	})
	return c, err
}

// interrupt is changeState for what ends the container's process, which has
// timeout seconds to end by itself. Nobody is served by it any more then, until
// it is known how it is.
func (e *Engine) interrupt(ctx context.Context, name string, timeout *float64, do func(context.Context, *record, container.StopOptions) error) (c api.Container, err error) {
	grace, err := graceOf(timeout)
	if err != nil {
		return api.Container{}, err
	}
	err = e.change(ctx, name, grace+e.cfg.Drain, func(ctx context.Context) error {
		r, err := e.find(ctx, name)
		if err != nil {
			return err
		}
		defer e.cutOff(ctx, r)()
		c, err = e.stateAfter(ctx, r, func(ctx context.Context, r *record) error { return do(ctx, r, stopOptions(grace)) })
		return err
	})
	return c, err
}

// stateAfter does what do says and gives how the container is then. When do
// fails, what became of it is in the state all the same.
func (e *Engine) stateAfter(ctx context.Context, r *record, do func(context.Context, *record) error) (api.Container, error) {
	failed := do(ctx, r)
	c, err := e.admit(ctx, r.ID)
	if failed != nil {
		return c, failed
	}
	return c, e.wrapMutation(err, kindContainer, r.Name, "it is not known how %s is", r.Name)
}

func graceOf(timeout *float64) (time.Duration, error) {
	if timeout == nil {
		return defaultStop, nil
	}
	if !(*timeout >= 0 && *timeout <= longestStop.Seconds()) {
		return 0, invalid("timeout", "timeout %v is not allowed: give seconds from 0 to %v", *timeout, longestStop.Seconds())
	}
	return time.Duration(*timeout * float64(time.Second)), nil
}

// stopOptions rounds up, for the engine counts whole seconds.
func stopOptions(grace time.Duration) container.StopOptions {
	seconds := int(math.Ceil(grace.Seconds()))
	return container.StopOptions{Timeout: &seconds}
}

// Scale stops the container called name when replicas is 0, and starts it when
// that is 1. More are for a Swarm.
func (e *Engine) Scale(ctx context.Context, name string, replicas int) (api.Container, error) {
	switch replicas {
	case 0:
		return e.Stop(ctx, name, nil)
	case 1:
		return e.Start(ctx, name)
	}
	return api.Container{}, oneReplica(replicas)
}

// oneReplica says that an engine runs one of each container.
func oneReplica(replicas int) error {
	return invalid("replicas", "replicas %d is not allowed: on a single engine a container is one; give others the same domain, or use a swarm", replicas)
}
