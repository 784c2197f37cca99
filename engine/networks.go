package engine

import (
	"context"
	"net/netip"
	"strconv"
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
	joined   bool   // it may be there: of a container that has it
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
	case b.kind == kindNetwork && !b.joined && e.unused(b, found): // made by Prepare
		return name, nil
	case b.kind == kindNetwork && !b.joined: // left over by a create that was cut off
		if err := e.removeNetwork(ctx, b); err != nil {
			return "", err
		}
		return name, e.createNetwork(ctx, b)
	case found.Internal != b.internal:
		return "", conflict(kindNetwork, b.name, "", "the network %s is used by containers of another profile: give another network, or the same profile", b.name)
	}
	return name, e.verifyNetwork(b, found)
}

// unused says whether a network is as a new one would be.
func (e *Engine) unused(b bridge, found network.Inspect) bool {
	return len(found.Containers) == 0 && e.verifyNetwork(b, found) == nil
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
		made, err := e.cli.NetworkCreate(ctx, e.engineName(b.kind, b.name), e.networkOptions(b, subnet))
		switch {
		case err == nil:
			return e.readBack(ctx, b, made.ID)
		case !strings.Contains(err.Error(), "verlap"):
			return e.wrapMutation(err, kindNetwork, b.name, "the network of %s could not be made", b.name)
		}
	}
}

// readBack sees that the engine made the network as it was asked to.
func (e *Engine) readBack(ctx context.Context, b bridge, id string) error {
	found, err := e.cli.NetworkInspect(ctx, id, network.InspectOptions{})
	if err != nil {
		return e.wrapMutation(err, kindNetwork, b.name, "the network of %s could not be made", b.name)
	}
	return e.verifyNetwork(b, found)
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
	ipv6 := false
	return network.CreateOptions{
		Driver:     "bridge",
		Internal:   b.internal,
		EnableIPv6: &ipv6,
		IPAM:       &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}},
		Options: map[string]string{
			optionBridge: e.firewall.Bridge(e.engineName(b.kind, b.name)),
			optionICC:    strconv.FormatBool(b.kind == kindShared),
		},
		Labels: e.labels(b.kind, b.name),
	}
}

// The bridge driver's options.
const (
	optionBridge = "com.docker.network.bridge.name"       // the interface on the host
	optionICC    = "com.docker.network.bridge.enable_icc" // whether its containers reach each other
)

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
