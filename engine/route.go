package engine

import (
	"context"
	"net/netip"

	"github.com/dockwire/dockwire/client/api"
)

// Route says where HTTP for a container goes. Two Routes of the same container
// that are equal in Started and Address lead to the same process.
type Route struct {
	Name    string
	Replica int // on a swarm, from 1
	ID      string
	Host    string         // the host that it has by its name, in lower case; empty when it serves no HTTP
	Domain  string         // its custom domain, which others may share, else Host
	Port    int            // that it serves, in its own network
	Address netip.AddrPort // where that is reached from here; invalid when it is not: it does not run, say

	// Published says that Address is a port of this host, which the engine relays.
	// It is the container's as long as this start of it lasts, and may be anybody's
	// the moment after: see Engine.Leads. It accepts any connection, and closes it
	// if the container does not.
	Published bool

	State   string
	Health  string
	Started api.Time // the zero Time while it is not known; the same start may be told of again with it
}

// Router carries HTTP to the containers. The engine tells it where they are.
type Router interface {
	// Route says where HTTP for a container goes from now on; one that is gone
	// has the state removed. It is called before anything else is done with a
	// container's address, and must neither wait nor call the Engine.
	Route(Route)

	// Together has change tell of many Routes, which need not be known each by
	// itself, but all of them when it returns.
	Together(change func())

	// Drain takes a container out of service and returns once nobody is served
	// by it any more, which takes no longer than Config.Drain. It is not served
	// again before release, and then only if it still runs.
	Drain(ctx context.Context, id string) (release func())
}

// cutOff sees that a container is not reached any more, before it is stopped
// and its address can be given to another. What it is about to answer is waited
// for. It may be reached again after release.
func (e *Engine) cutOff(ctx context.Context, r *record) (release func()) {
	release = func() {}
	if e.cfg.Router != nil {
		release = e.cfg.Router.Drain(ctx, r.ID)
	}
	e.state.cutOff(r.Name, r.ID)
	return release
}

// route tells the Router of a container.
func (e *Engine) route(r *record) {
	if e.cfg.Router != nil {
		e.cfg.Router.Route(e.routeOf(r))
	}
}

// routeOf says where HTTP for a container goes.
func (e *Engine) routeOf(r *record) Route {
	route := Route{
		Name: r.Name, ID: r.ID, Port: r.Port, Address: r.addr, Published: e.publishes(),
		State: r.State, Health: r.Health, Started: r.Started,
	}
	if r.Port != 0 {
		route.Host, route.Domain = r.host, r.Domain
	}
	return route
}
