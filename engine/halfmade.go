package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"go.uber.org/zap"
)

// neverStarted says that a container is not started, though its create was to
// do so.
func neverStarted(status string, labels map[string]string) bool {
	return status == container.StateCreated && labels[labelStart] == "true"
}

// removeOrphans removes the networks that creates or removes left without a
// container, because the daemon was killed or the engine went away.
func (e *Engine) removeOrphans(ctx context.Context) error {
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

// removeLeftSiblings removes the siblings of a container that is gone itself. The
// caller has the lock of its name.
func (e *Engine) removeLeftSiblings(ctx context.Context, of string) error {
	for _, r := range slices.Backward(e.state.siblings(of)) {
		if err := e.removeLeftSibling(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) removeLeftSibling(ctx context.Context, r *record) error {
	unlock, err := e.claim(r.Name)
	if err != nil {
		return err
	}
	defer unlock()
	e.log.Info("a replica is removed, since what it is a replica of is gone", zap.String("name", r.Name))
	return e.remove(ctx, r, false)
}

// removeOrphanSiblings removes the siblings whose container is gone: a create was cut
// off before it was there, or somebody removed it.
func (e *Engine) removeOrphanSiblings(ctx context.Context) error {
	for _, of := range e.state.families() {
		if _, known := e.state.get(of); known {
			continue
		}
		if err := e.removeUnlessLed(ctx, of); lost(err) {
			return err
		}
	}
	return nil
}

func (e *Engine) removeUnlessLed(ctx context.Context, of string) error {
	unlock, ok := e.mutating.tryLock(kindContainer + " " + of)
	if !ok {
		return nil
	}
	defer unlock()
	g, err := e.generationsOf(ctx, of)
	if err != nil || len(g) > 0 {
		return err
	}
	return e.removeLeftSiblings(ctx, of)
}
