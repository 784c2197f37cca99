package ingress

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// pool is the containers that a host's requests are spread over, one at least.
// It is never changed.
type pool struct {
	members []member
}

// member is a container of a pool.
type member struct {
	route   engine.Route
	held    bool     // it is being stopped
	backend *backend // nil while it serves nothing
}

func (p *pool) has(id string) bool {
	return p != nil && slices.ContainsFunc(p.members, func(m member) bool { return m.route.ID == id })
}

// longestWait is how long a request waits for a container that was just started
// to accept connections.
const longestWait = 5 * time.Second

// choose gives the backend that answers a request for the host, other than not,
// and counts the request as outstanding there. While nothing but a container
// that was just started could answer, or it is not known who could, it waits a
// little. Its errors are *refusal, or that of ctx.
func (in *Ingress) choose(ctx context.Context, host string, not *backend) (*backend, error) {
	var changed <-chan struct{}
	var late <-chan time.Time
	patient := not == nil
	for {
		p := in.pool(host)
		b, wait := p.pick(not, patient)
		if p == nil {
			wait = patient && !in.options.Ready()
		}
		switch {
		case b != nil && b.acquire():
			return b, nil
		case b != nil: // it left the moment before
			continue
		case !wait:
			return nil, in.refusal(host, p)
		case changed == nil: // look once more, now that nothing is missed
			changed = in.changed.wait()
			continue
		}
		if late == nil {
			timer := time.NewTimer(longestWait)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-changed:
			changed = nil
		case <-late:
			patient = false
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pick gives the best backend: the least outstanding requests among those of the
// best standing. One that was just started is waited for, if the caller is
// patient, and else tried like one that accepts no connection.
func (p *pool) pick(not *backend, patient bool) (best *backend, wait bool) {
	standing, outstanding := unhealthy, 0
	if p == nil {
		return nil, false
	}
	n := len(p.members)
	for i, first := 0, rand.IntN(n); i < n; i++ { // begin anywhere: equals take turns
		b := p.members[(first+i)%n].backend
		if b == nil || b == not {
			continue
		}
		s, o := b.status()
		if s < standing || s == standing && best != nil && o < outstanding {
			best, standing, outstanding = b, s, o
		}
	}
	if standing == starting && patient {
		return nil, true
	}
	return best, false
}

// refusal says why nothing in the pool of the host can answer; it may have none.
func (in *Ingress) refusal(host string, p *pool) *refusal {
	if p == nil && !in.options.Ready() {
		return refuse(http.StatusServiceUnavailable, "it is not known at the moment whether a container has the domain "+host)
	}
	if p == nil {
		return refuse(http.StatusNotFound, "no container has the domain "+host)
	}
	reasons := make([]string, 0, len(p.members))
	for _, m := range p.members {
		if _, reason := m.state(); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return refuse(http.StatusServiceUnavailable, host+" is not served at the moment: its container "+strings.Join(reasons, ", another "))
}

// state says whether the container is in the pool, and why not.
func (m member) state() (state, reason string) {
	switch {
	case m.held:
		return api.PoolDraining, "is being stopped"
	case m.backend == nil && m.route.State == api.StateRestarting:
		return api.PoolOut, "is being started again"
	case m.backend == nil && m.route.State == api.StateRunning:
		return api.PoolOut, "cannot be reached from the daemon's host"
	case m.backend == nil:
		return api.PoolOut, "is not running"
	}
	standing, _ := m.backend.status()
	switch standing {
	case ready:
		return api.PoolServing, ""
	case warming:
		return api.PoolStarting, "has not passed its health check yet"
	case starting:
		return api.PoolStarting, "does not accept connections yet"
	case silent:
		return api.PoolOut, "does not accept connections"
	case unhealthy:
		return api.PoolOut, "is unhealthy"
	}
	return api.PoolDraining, "is being stopped"
}

// Pool says of each container that serves the domain whether requests go there.
func (in *Ingress) Pool(domain string) []api.PoolMember {
	p := in.pool(domain)
	if p == nil {
		return nil
	}
	members := make([]api.PoolMember, len(p.members))
	for i, m := range p.members {
		state, reason := m.state()
		members[i] = api.PoolMember{Name: m.route.Name, Replica: m.route.Replica, State: state, Reason: reason}
	}
	slices.SortFunc(members, func(a, b api.PoolMember) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Replica, b.Replica))
	})
	return members
}
