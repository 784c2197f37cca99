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
	ID      string
	Host    string         // the host that it has by its name, in lower case; empty when it serves no HTTP
	Domain  string         // its custom domain, which others may share, else Host
	Address netip.AddrPort // invalid when nothing can be reached there: it does not run, say
	State   string
	Health  string
	Started api.Time
}

// Router carries HTTP to the containers. The engine tells it where they are.
type Router interface {
	// Route says where HTTP for a container goes from now on; one that is gone
	// has the state removed. It is called before anything else is done with a
	// container's address, and must neither wait nor call the Engine.
	Route(Route)

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
	if e.cfg.Router == nil {
		return
	}
	route := Route{Name: r.Name, ID: r.ID, State: r.State, Health: r.Health, Started: r.Started}
	if r.Port != 0 {
		route.Host, route.Domain = r.host, r.Domain
	}
	if r.addr.IsValid() {
		route.Address = netip.AddrPortFrom(r.addr, uint16(r.Port))
	}
	e.cfg.Router.Route(route)
}
