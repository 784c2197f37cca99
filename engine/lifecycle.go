package engine

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// Start starts the container called name and its siblings. Those that run are left
// as they are.
func (e *Engine) Start(ctx context.Context, name string) (api.Container, error) {
	return e.changeMembers(ctx, name, startTime, e.startAll)
}

func (e *Engine) startAll(ctx context.Context, members []*record) error {
	return together(members, func(r *record) error {
		return e.stateAfter(ctx, r, e.start(ctx, r.ID, r.Name))
	})
}

const (
	defaultStop = 10 * time.Second
	longestStop = 10 * time.Minute
)

// Stop stops the container called name and its siblings, all at once: the stop
// signal first, and after timeout seconds (10 when nil) a kill. Those that do not run
// are left as they are.
func (e *Engine) Stop(ctx context.Context, name string, timeout *float64) (api.Container, error) {
	grace, err := graceOf(timeout)
	if err != nil {
		return api.Container{}, err
	}
	return e.changeMembers(ctx, name, grace+e.cfg.Drain, func(ctx context.Context, members []*record) error {
		return together(members, func(r *record) error { return e.stop(ctx, r, grace) })
	})
}

// stop stops a container. Nobody is served by it any more before that, until it is
// known how it is.
func (e *Engine) stop(ctx context.Context, r *record, grace time.Duration) error {
	defer e.cutOff(ctx, r)()
	err := e.cli.ContainerStop(ctx, r.ID, stopOptions(grace))
	return e.stateAfter(ctx, r, e.wrapMutation(err, kindContainer, r.Name, "%s could not be stopped", r.Name))
}

// Restart stops the container called name as Stop does, and starts it. One that
// does not run is started. Its siblings follow one after another, each once the one
// before serves: if one does not come to that, those after it are left as they are.
func (e *Engine) Restart(ctx context.Context, name string, timeout *float64) (api.Container, error) {
	grace, err := graceOf(timeout)
	if err != nil {
		return api.Container{}, err
	}
	trial, err := e.trialTimeOf(ctx, name)
	if err != nil {
		return api.Container{}, err
	}
	return e.changeMembers(ctx, name, grace+e.cfg.Drain+trial, func(ctx context.Context, members []*record) error {
		for _, r := range members {
			err := e.restart(ctx, r, grace)
			if err == nil && len(members) > 1 {
				err = e.awaitServing(ctx, r)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) restart(ctx context.Context, r *record, grace time.Duration) error {
	defer e.cutOff(ctx, r)()
	err := e.cli.ContainerRestart(ctx, r.ID, stopOptions(grace))
	return e.stateAfter(ctx, r, e.startError(ctx, err, r.ID, r.Name))
}

// Remove removes the container called name, running or not, with the one that it
// replaced, its network and its anonymous volumes, and its siblings before it. With
// volumes, its named volumes go too, but for those that another container has. It
// answers the container as it last was, with the state removed.
func (e *Engine) Remove(ctx context.Context, name string, volumes bool) (api.Container, error) {
	var last api.Container
	err := e.changeFamily(ctx, name, e.cfg.Drain, func(ctx context.Context, members []*record) error {
		defer e.cutOffAll(ctx, members)()
		last = members[0].Container
		last.State = api.StateRemoved
		for _, sibling := range slices.Backward(members[1:]) {
			if err := e.remove(ctx, sibling, false); err != nil {
				return err
			}
		}
		return e.remove(ctx, members[0], volumes)
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

// stateAfter has it known how a container is after a change of it, whether that
// failed or not.
func (e *Engine) stateAfter(ctx context.Context, r *record, failed error) error {
	_, err := e.admit(ctx, r.ID)
	return cmp.Or(failed, e.wrapMutation(err, kindContainer, r.Name, "it is not known how %s is", r.Name))
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
