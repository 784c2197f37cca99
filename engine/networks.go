package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
)

// A bridge is the network of one container, or one that several share.
type bridge struct {
	kind     string // kindNetwork or kindShared
	name     string // the container's, or the one that they gave
	internal bool   // no way out
}

func (b bridge) bits() int {
	if b.kind == kindShared {
		return 26
	}
	return 29
}

// makeNetwork makes the network of the container called name, or joins the
// shared one. It gives the engine's name for it.
func (e *Engine) makeNetwork(ctx context.Context, b bridge) (string, error) {
	name := e.engineName(b.kind, b.name)
	found, err := e.cli.NetworkInspect(ctx, name, network.InspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return name, e.createNetwork(ctx, b)
	case err != nil:
		return "", e.wrapMutation(err, kindNetwork, b.name, "the network of %s could not be made", b.name)
	case !e.owns(found.Labels, b.kind):
		return "", conflict(kindNetwork, b.name, found.Name, "the engine has a network called %s that is not ours: rename or remove it", found.Name)
	case b.kind == kindNetwork: // left over by a create that was cut off
		if err := e.removeNetwork(ctx, b); err != nil {
			return "", err
		}
		return name, e.createNetwork(ctx, b)
	case found.Internal != b.internal:
		return "", conflict(kindNetwork, b.name, "", "the network %s is used by containers of another profile: give another network, or the same profile", b.name)
	}
	return name, nil
}

// createNetwork looks for a subnet that nobody has, until the engine agrees.
func (e *Engine) createNetwork(ctx context.Context, b bridge) error {
	refused := e.subnets.begin()
	defer e.subnets.end(refused)
	for {
		subnet, err := e.chooseSubnet(ctx, b, refused)
		if err != nil {
			return err
		}
		_, err = e.cli.NetworkCreate(ctx, e.engineName(b.kind, b.name), e.networkOptions(b, subnet))
		if err == nil || !strings.Contains(err.Error(), "verlap") {
			return e.wrapMutation(err, kindNetwork, b.name, "the network of %s could not be made", b.name)
		}
	}
}

// chooseSubnet gives a subnet that no network has and no other create has in
// mind, and that was not chosen here before.
func (e *Engine) chooseSubnet(ctx context.Context, b bridge, mine *choice) (netip.Prefix, error) {
	networks, err := e.cli.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return netip.Prefix{}, e.wrapMutation(err, kindNetwork, b.name, "the network of %s could not be made", b.name)
	}
	subnet, ok := e.subnets.choose(mine, subnetsOf(networks), b.bits(), e.engineName(b.kind, b.name))
	if !ok {
		return subnet, &Error{Class: TooBusy, Reason: "no subnet is free in " + subnetPool.String() + ": remove containers", Data: api.ErrorData{Limit: "networks"}}
	}
	return subnet, nil
}

func (e *Engine) networkOptions(b bridge, subnet netip.Prefix) network.CreateOptions {
	options := map[string]string{"com.docker.network.bridge.name": bridgeName(e.engineName(b.kind, b.name))}
	if b.kind == kindNetwork {
		options["com.docker.network.bridge.enable_icc"] = "false"
	}
	return network.CreateOptions{
		Driver:   "bridge",
		Internal: b.internal,
		IPAM:     &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}},
		Options:  options,
		Labels:   e.labels(b.kind, b.name),
	}
}

// bridgeName gives the name of the interface on the host. It begins with dw-,
// so that firewall rules can say dw-+, and has the 15 characters that the kernel
// allows.
func bridgeName(network string) string {
	sum := sha256.Sum256([]byte(network))
	return "dw-" + hex.EncodeToString(sum[:6])
}

// releaseNetwork removes the network of a container that is gone, or the shared
// one if this was its last container.
func (e *Engine) releaseNetwork(ctx context.Context, name, shared string) error {
	if shared == "" {
		return e.removeNetwork(ctx, bridge{kind: kindNetwork, name: name})
	}
	unlock, err := e.mutating.lock(ctx, kindShared+" "+shared)
	if err != nil {
		return err
	}
	defer unlock()
	members, err := e.cli.ContainerList(ctx, container.ListOptions{All: true, Limit: 1,
		Filters: e.ours(kindContainer, filters.Arg("label", labelNetwork+"="+shared))})
	if err != nil {
		return e.wrapMutation(err, kindNetwork, shared, "the network %s could not be removed", shared)
	}
	if len(members) > 0 {
		return nil
	}
	return e.removeNetwork(ctx, bridge{kind: kindShared, name: shared})
}

func (e *Engine) removeNetwork(ctx context.Context, b bridge) error {
	name := e.engineName(b.kind, b.name)
	found, err := e.cli.NetworkInspect(ctx, name, network.InspectOptions{})
	if err == nil && e.owns(found.Labels, b.kind) {
		err = e.cli.NetworkRemove(ctx, found.ID)
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return e.wrapMutation(err, kindNetwork, b.name, "the network of %s could not be removed", b.name)
}

// removeHalfMade removes networks of ours whose container does not exist: a
// daemon was killed, or the engine went away, between the two.
func (e *Engine) removeHalfMade(ctx context.Context) error {
	for _, kind := range []string{kindNetwork, kindShared} {
		found, err := within(ctx, syncTimeout, func(ctx context.Context) ([]network.Summary, error) {
			return e.cli.NetworkList(ctx, network.ListOptions{Filters: e.ours(kind)})
		})
		if err != nil {
			return err
		}
		for _, n := range found {
			if err := e.removeOrphan(ctx, kind, n.Labels[labelName]); lost(err) {
				return err
			}
		}
	}
	return nil
}

// removeOrphan removes a network unless a container has it, or one is being
// created that will.
func (e *Engine) removeOrphan(ctx context.Context, kind, name string) error {
	if kind == kindShared {
		return e.releaseNetwork(ctx, "", name)
	}
	if e.hosts.taken(e.hostOf(name)) {
		return nil
	}
	if _, exists := e.state.get(name); exists {
		return nil
	}
	return e.releaseNetwork(ctx, name, "")
}
