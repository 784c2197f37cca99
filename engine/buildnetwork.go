package engine

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/network"
	"go.uber.org/zap"
)

// makeNetwork makes the network of the steps of a classic build, which cuts them
// off as containers are. BuildKit's are in the engine's default network, and take
// no other.
func (b *imageBuild) makeNetwork(ctx context.Context) (name string, remove func(), err error) {
	if !b.classic() {
		return "", func() {}, nil
	}
	own := bridge{kind: kindBuild, name: b.id}
	b.building.Store(b.id, true)
	remove = func() {
		defer b.building.Delete(b.id)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if err := b.removeNetwork(ctx, own); err != nil {
			b.log.Warn("the network of a build was left behind, until the next connect", zap.String("build", b.id), zap.Error(err))
		}
	}
	if name, err = b.Engine.makeNetwork(ctx, own); err == nil {
		err = b.checkCovered(ctx, name)
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return name, remove, nil
}

// checkCovered refuses a build whose steps the firewall does not cut off.
func (b *imageBuild) checkCovered(ctx context.Context, network string) error {
	if b.firewallMode.Load().mode == FirewallOff {
		return nil
	}
	err := b.keepFirewall(ctx)
	if err == nil {
		err = bridgeIsHere(b.firewall.Bridge(network))
	}
	if err == nil {
		return nil
	}
	return &Error{
		Class:  BuildFailed,
		Reason: "the build of " + b.p.Name + " was not begun, because the firewall does not cut its steps off from the host: see the daemon's log, or allow that with --firewall off",
		Err:    err,
	}
}

// removeBuildNetworks removes the networks of builds that do not run any more:
// the daemon was killed, or the engine went away, in the middle.
func (e *Engine) removeBuildNetworks(ctx context.Context) error {
	found, err := within(ctx, syncTimeout, func(ctx context.Context) ([]network.Summary, error) {
		return e.cli.NetworkList(ctx, network.ListOptions{Filters: e.ours(kindBuild)})
	})
	if err != nil {
		return err
	}
	for _, n := range found {
		id := n.Labels[labelName]
		if _, runs := e.building.Load(id); runs {
			continue
		}
		if err := e.removeLeft(ctx, bridge{kind: kindBuild, name: id}); lost(err) {
			return err
		} else if err != nil {
			e.log.Warn("the network of a build could not be removed", zap.String("build", id), zap.Error(err))
		}
	}
	return nil
}

// The engine ends the step of a build whose client is gone, and counts its
// container in the network for a moment after it has removed that.
const (
	leftAttempts = 10
	leftPause    = 100 * time.Millisecond
)

// removeLeft removes a network that may still be in use for a moment.
func (e *Engine) removeLeft(ctx context.Context, b bridge) (err error) {
	for range leftAttempts {
		if err = e.removeNetwork(ctx, b); err == nil || lost(err) {
			return err
		}
		pause(ctx, leftPause)
	}
	return err
}
