package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// removeHalfMade removes what creates left that were cut off, because the daemon
// was killed or the engine went away: containers that are not finished, and
// networks without a container. What is found is what the engine lists of us.
func (e *Engine) removeHalfMade(ctx context.Context, found []container.Summary) error {
	for _, c := range found {
		if !e.isHalfMade(c) {
			continue
		}
		if err := e.unlessInUse(ctx, c.Labels[labelName], e.removeHalfMadeContainers); lost(err) {
			return err
		}
	}
	networks, err := e.networksOfOurs(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if err := e.removeOrphan(ctx, n); lost(err) {
			return err
		}
	}
	return nil
}

// isHalfMade says that no create has finished a container, or will finish it: it
// never got its name, or was never started.
func (e *Engine) isHalfMade(c container.Summary) bool {
	nameless := slices.Contains(c.Names, "/"+e.engineName(kindContainer, c.Labels[labelName]))
	return nameless || neverStarted(c.State, c.Labels)
}

// neverStarted says that a container is not started, though its create was to
// do so.
func neverStarted(status string, labels map[string]string) bool {
	return status == container.StateCreated && labels[labelStart] == "true"
}

// removeHalfMadeContainers removes what creates of this name left half-made. The
// caller has the name's lock, so that none of them is still at it.
func (e *Engine) removeHalfMadeContainers(ctx context.Context, name string) error {
	found, err := e.list(ctx, filters.Arg("label", labelName+"="+name))
	if err != nil {
		return e.wrapMutation(err, kindContainer, name, "it is not known what an earlier create of %s left", name)
	}
	for _, c := range found {
		if !e.isHalfMade(c) {
			continue
		}
		if err := e.removeContainer(ctx, c.ID, name); err != nil {
			return err
		}
	}
	return nil
}

// removeOrphan removes a network of ours unless a container has it.
func (e *Engine) removeOrphan(ctx context.Context, n network.Summary) error {
	name := n.Labels[labelName]
	if n.Labels[labelKind] == kindShared {
		return e.releaseNetwork(ctx, "", name)
	}
	return e.unlessInUse(ctx, name, func(ctx context.Context, name string) error {
		return e.releaseNetwork(ctx, name, "")
	})
}

// unlessInUse does what do says under the name's lock, unless there is a
// container of that name, or one is being created.
func (e *Engine) unlessInUse(ctx context.Context, name string, do func(context.Context, string) error) error {
	if e.inUse(name) {
		return nil
	}
	_, err := within(ctx, syncTimeout, func(ctx context.Context) (struct{}, error) {
		unlock, err := e.mutating.lock(ctx, kindContainer+" "+name)
		if err != nil {
			return struct{}{}, err
		}
		defer unlock()
		if e.inUse(name) { // by now
			return struct{}{}, nil
		}
		return struct{}{}, do(ctx, name)
	})
	return err
}

func (e *Engine) inUse(name string) bool {
	_, exists := e.state.get(name)
	return exists || e.hosts.taken(e.hostOf(name))
}

// networksOfOurs gives the networks that containers of ours have, or had.
func (e *Engine) networksOfOurs(ctx context.Context) ([]network.Summary, error) {
	found, err := within(ctx, syncTimeout, func(ctx context.Context) ([]network.Summary, error) {
		return e.cli.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelInstance+"="+e.cfg.Instance))})
	})
	return slices.DeleteFunc(found, func(n network.Summary) bool {
		return !e.owns(n.Labels, kindNetwork) && !e.owns(n.Labels, kindShared)
	}), err
}
