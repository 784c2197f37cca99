package engine

import (
	"context"
	"net/netip"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
)

// chooseAddress gives an address in a network that no container has there, be it
// running or not. The engine alone would give that of a stopped one to another,
// while a peer still knows it. The caller sees to it that nobody else chooses in
// this network until the container is made.
func (e *Engine) chooseAddress(ctx context.Context, b bridge) (netip.Addr, error) {
	name := e.engineName(b.kind, b.name)
	found, err := e.cli.NetworkInspect(ctx, name, network.InspectOptions{})
	if err != nil {
		return netip.Addr{}, e.wrapMutation(err, kindNetwork, b.name, "no address in the network of %s could be chosen", b.name)
	}
	members, err := e.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("network", name))})
	if err != nil {
		return netip.Addr{}, e.wrapMutation(err, kindNetwork, b.name, "no address in the network of %s could be chosen", b.name)
	}
	addr, ok := freeAddress(subnetOf(found), addressesIn(name, members))
	if !ok {
		return addr, &Error{Class: TooBusy, Reason: "no address is free in the network " + b.name + ": give another network, or remove containers of this one", Data: api.ErrorData{Limit: "addresses"}}
	}
	return addr, nil
}

func subnetOf(n network.Inspect) netip.Prefix {
	for _, config := range n.IPAM.Config {
		if subnet, err := netip.ParsePrefix(config.Subnet); err == nil {
			return subnet
		}
	}
	return netip.Prefix{}
}

// addressesIn gives the addresses that containers have in a network, or will
// have once they run.
func addressesIn(network string, members []container.Summary) []netip.Addr {
	var used []netip.Addr
	for _, c := range members {
		if c.NetworkSettings != nil {
			used = append(used, addressesOf(c.NetworkSettings.Networks[network])...)
		}
	}
	return used
}

func addressesOf(endpoint *network.EndpointSettings) []netip.Addr {
	if endpoint == nil {
		return nil
	}
	texts := []string{endpoint.IPAddress}
	if endpoint.IPAMConfig != nil {
		texts = append(texts, endpoint.IPAMConfig.IPv4Address)
	}
	var addresses []netip.Addr
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, addr)
		}
	}
	return addresses
}

// freeAddress gives the first address of a subnet that is not used. The very
// first is the network's own, the next the host's in it, and the last that of
// broadcasts.
func freeAddress(subnet netip.Prefix, used []netip.Addr) (netip.Addr, bool) {
	gateway := subnet.Masked().Addr().Next()
	for addr := gateway.Next(); subnet.Contains(addr.Next()); addr = addr.Next() {
		if !slices.Contains(used, addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}
