package engine

import (
	"context"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"go.uber.org/zap"
)

// tidy sees to what was left half-done when a daemon was killed, or its manager
// went away in the middle: updates whose first replica was still being tried go
// back, and networks without a service are removed.
func (s *Swarm) tidy(ctx context.Context, m *manager) {
	for _, r := range s.state.list() {
		if !r.service.held {
			continue
		}
		if err := s.unlessChanged(ctx, r.Name, func() error { return s.goBack(ctx, m, r) }); err != nil && ctx.Err() == nil {
			s.log.Error("an update that was cut off could not be undone", zap.String("name", r.Name), zap.Error(err))
		}
	}
	if err := s.tidyNetworks(ctx, m); err != nil && ctx.Err() == nil {
		s.log.Warn("networks without a service could not be removed", zap.Error(err))
	}
}

// unlessChanged does what do says when no change of the name is going on.
func (s *Swarm) unlessChanged(ctx context.Context, name string, do func() error) error {
	unlock, err := s.mutating.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

// goBack puts a service back to how it was before an update that is still held,
// if it is.
func (s *Swarm) goBack(ctx context.Context, m *manager, r *record) error {
	for {
		found, _, err := m.cli.ServiceInspectWithRaw(ctx, r.ID, swarm.ServiceInspectOptions{})
		if errdefs.IsNotFound(err) || err == nil && found.Spec.UpdateConfig.Delay != canaryHold {
			return nil
		}
		if err == nil {
			_, err = m.cli.ServiceUpdate(ctx, r.ID, found.Version, found.Spec, swarm.ServiceUpdateOptions{Rollback: "previous"})
		}
		if !outOfSequence(err) {
			s.log.Info("an update that was cut off is undone", zap.String("name", r.Name), zap.Error(err))
			return err
		}
		pause(ctx, settleEvery)
	}
}

func (s *Swarm) tidyNetworks(ctx context.Context, m *manager) error {
	found, err := m.cli.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", labelInstance+"="+s.cfg.Instance), filters.Arg("driver", "overlay"))})
	if err != nil {
		return err
	}
	for _, n := range found {
		name := n.Labels[labelName]
		if !strings.HasPrefix(n.Name, overlayPrefix) || s.networkInUse(n.Labels[labelKind], name) {
			continue
		}
		if err := m.cli.NetworkRemove(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// networkInUse says whether a service has the network, or one that is being
// created may.
func (s *Swarm) networkInUse(kind, name string) bool {
	if kind == kindShared {
		return s.sharesNetwork("", name) || s.hosts.any()
	}
	_, exists := s.state.get(name)
	return exists || s.hosts.taken(s.managers[0].hostOf(name))
}
