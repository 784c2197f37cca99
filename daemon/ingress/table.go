package ingress

import (
	"context"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// container is what the ingress knows of one. All is guarded by Ingress.mu.
type container struct {
	route   engine.Route
	held    int                   // by how many it was drained and not released yet
	backend *backend              // what serves it; nil while nothing does
	leaving map[*backend]struct{} // what served it before, and is not done
	stats   *stats
}

// table says which pool a host has. It is never changed.
type table map[string]*pool

var _ engine.Router = (*Ingress)(nil)

// Route implements engine.Router.
func (in *Ingress) Route(r engine.Route) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c, known := in.containers[r.ID]
	switch {
	case known && c.route == r || !known && r.State == api.StateRemoved:
		return
	case !known:
		c = &container{leaving: map[*backend]struct{}{}, stats: in.stats.join(r.Name)}
		in.containers[r.ID] = c
	}
	c.route = r
	in.settle(c)
	in.forget(c)
	in.publish()
}

// forget drops what is known of a container that is gone, once nobody is served
// by it any more.
func (in *Ingress) forget(c *container) {
	if c.route.State == api.StateRemoved && len(c.leaving) == 0 && in.containers[c.route.ID] == c {
		delete(in.containers, c.route.ID)
		in.stats.leave(c.route.Name)
	}
}

// Drain implements engine.Router.
func (in *Ingress) Drain(ctx context.Context, id string) (release func()) {
	in.mu.Lock()
	c, known := in.containers[id]
	if !known {
		in.mu.Unlock()
		return func() {}
	}
	c.held++
	in.settle(c)
	in.publish()
	var leaving []*backend
	for b := range c.leaving {
		leaving = append(leaving, b)
	}
	in.mu.Unlock()
	for _, b := range leaving {
		b.wait(ctx)
	}
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		c.held--
		in.settle(c)
		in.publish()
	}
}

// settle makes what serves a container be as its route says.
func (in *Ingress) settle(c *container) {
	wanted := c.route.Host != "" && c.route.State != api.StateRemoved && c.route.Address.IsValid() && c.held == 0 && !in.closing
	if b := c.backend; b != nil && !(wanted && b.leadsTo(c.route)) {
		if !b.leadsTo(c.route) {
			b.noDial() // the address may soon be another container's; what is connected may go on
		}
		in.retire(c, b)
	}
	switch {
	case !wanted:
	case c.backend == nil:
		c.backend = in.newBackend(c)
	default:
		c.backend.started = c.route.Started
		c.backend.setHealth(c.route.Health)
	}
}

// retire lets a backend finish what it answers, on the side.
func (in *Ingress) retire(c *container, b *backend) {
	c.backend = nil
	c.leaving[b] = struct{}{}
	b.leave()
	in.background.Go(func() {
		ctx, cancel := context.WithTimeout(in.ctx, in.options.Drain)
		defer cancel()
		b.finish(ctx)
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(c.leaving, b)
		in.forget(c)
	})
}

// Together implements engine.Router.
func (in *Ingress) Together(change func()) {
	in.hold(1)
	defer in.hold(-1)
	change()
}

func (in *Ingress) hold(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.together += n
	in.publish()
}

// publish replaces the table by one of how the containers are now, unless more
// is about to be told.
func (in *Ingress) publish() {
	if in.together > 0 {
		return
	}
	t := table{}
	for _, c := range in.containers {
		for _, host := range []string{c.route.Host, c.route.Domain} {
			if host != "" && c.route.State != api.StateRemoved && !t[host].has(c.route.ID) {
				t.add(host, c)
			}
		}
	}
	in.table.Store(&t)
	in.changed.ring()
}

func (t table) add(host string, c *container) {
	p := t[host]
	if p == nil {
		p = &pool{}
		t[host] = p
	}
	p.members = append(p.members, member{route: c.route, held: c.held > 0, backend: c.backend})
}

// Knows says whether the host is a container's.
func (in *Ingress) Knows(host string) bool { return in.pool(host) != nil }

// pool gives the pool of a host, or nil if nobody has it.
func (in *Ingress) pool(host string) *pool { return (*in.table.Load())[host] }
