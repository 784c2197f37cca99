package ingress

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// backend is a container from one start to the end of that. Nothing of it, no
// connection above all, is used for what comes after.
type backend struct {
	name      string
	route     engine.Route // to the start that it is
	started   api.Time     // of that start; guarded by Ingress.mu; zero while it is not known
	leads     func(context.Context, engine.Route) error
	stats     *stats
	transport *http.Transport
	born      time.Time
	changed   *bell // is rung when it accepts connections

	dialing  context.Context // ends when the address may be another's
	noDial   context.CancelFunc
	serving  context.Context // ends what is still being answered
	cutOff   context.CancelFunc
	probes   sync.WaitGroup
	finished chan struct{} // closed when nothing is being answered any more, and never will

	mu          sync.Mutex
	health      string
	accepts     bool // it has accepted a connection, and since then always
	leaving     bool
	outstanding int
	idle        chan struct{} // closed when it is leaving and nothing is outstanding
	tunnels     map[*tunnel]struct{}
}

// standing is how good a backend is; the lower, the better.
type standing int

const (
	ready     standing = iota // it accepts connections, and its health check, if it has one, has passed
	warming                   // it accepts connections, and its health check has not told yet
	starting                  // it was started a moment ago and accepts no connection yet
	silent                    // it accepts no connection though it has had time
	unhealthy                 // its health check fails
	left                      // it is out of service
)

// How backends are reached.
const (
	dialTimeout    = 3 * time.Second
	headerWait     = time.Minute
	maxReplyHeader = 256 << 10
	startTime      = 10 * time.Second // until a container that does not accept connections is silent
	firstProbe     = 5 * time.Millisecond
	lastProbe      = time.Second

	// idleBackend is shorter than what servers use, so that they do not close a
	// connection while a request is on its way to them.
	idleBackend = 1500 * time.Millisecond
	maxIdle     = 256
)

func (in *Ingress) newBackend(c *container) *backend {
	b := &backend{
		name: c.route.Name, route: c.route, started: c.route.Started, leads: in.options.Leads, health: c.route.Health,
		stats: c.stats, born: time.Now(), changed: &in.changed,
		finished: make(chan struct{}), idle: make(chan struct{}), tunnels: map[*tunnel]struct{}{},
	}
	b.dialing, b.noDial = context.WithCancel(in.ctx)
	b.serving, b.cutOff = context.WithCancel(in.ctx)
	b.transport = &http.Transport{
		DialContext:            b.dial,
		ResponseHeaderTimeout:  headerWait,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleBackend,
		MaxIdleConnsPerHost:    maxIdle,
		MaxResponseHeaderBytes: maxReplyHeader,
		DisableCompression:     true,
	}
	b.probes.Go(b.probe)
	return b
}

// leadsTo says whether the route is to this very start of the container, which
// may not have been known so far.
func (b *backend) leadsTo(r engine.Route) bool {
	return b.route.Address == r.Address && (b.started == r.Started || b.started.IsZero())
}

// status says how good the backend is, and how many requests are outstanding.
func (b *backend) status() (standing, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing(), b.outstanding
}

func (b *backend) standing() standing {
	switch {
	case b.leaving:
		return left
	case b.health == api.HealthUnhealthy:
		return unhealthy
	case !b.accepts && time.Since(b.born) < startTime:
		return starting
	case !b.accepts:
		return silent
	case b.health == api.HealthStarting:
		return warming
	}
	return ready
}

func (b *backend) setHealth(health string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.health = health
}

// acquire counts a request as outstanding, unless the backend is leaving.
func (b *backend) acquire() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leaving {
		return false
	}
	b.outstanding++
	return true
}

func (b *backend) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outstanding--
	if b.leaving && b.outstanding == 0 {
		close(b.idle)
	}
}

// leave refuses further requests, and tells the WebSockets to go.
func (b *backend) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving = true
	if b.outstanding == 0 {
		close(b.idle)
	}
	b.goAway()
}

// finish waits until all is answered, at the longest until ctx ends, and cuts
// off the rest.
func (b *backend) finish(ctx context.Context) {
	select {
	case <-b.idle:
	case <-ctx.Done():
	}
	b.noDial()
	b.cutOff()
	<-b.idle
	b.probes.Wait()
	b.transport.CloseIdleConnections()
	close(b.finished)
}

// wait returns when finish has, or ctx ends.
func (b *backend) wait(ctx context.Context) {
	select {
	case <-b.finished:
	case <-ctx.Done():
	}
}
