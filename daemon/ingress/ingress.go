// Package ingress routes HTTP requests to containers by the Host that they name.
//
// It is a server of its own: the control plane cannot be reached through it,
// whatever the Host. A request goes to a container whose host is exactly the
// one that it names, or it is answered with a small page that says why not: 404
// for a host that nobody has, 503 where no container serves it at the moment,
// 502 for a container that does not answer.
//
// What is where is told by the engine, for an Ingress is its Router. From that
// it keeps a table from hosts to pools of containers, which is replaced, never
// changed, so that a request takes one look at it and no lock.
package ingress

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/engine"
)

// Options say how an Ingress works. The zero value means the defaults that stand
// beside the fields.
type Options struct {
	Drain       time.Duration // how long a container that is taken out of service may go on with what it answers: 10 s; negative not at all
	MaxUpgraded int           // WebSockets at once: 10,000
	Access      *zap.Logger   // gets a line for each request; nil for none

	// Secured gives where a host is served over TLS, SCHEME://HOST:PORT, or
	// nothing. Requests in clear for one that is are sent there.
	Secured func(host string) string

	// Ready says whether it is known which containers there are: until then a host
	// that nobody has may yet turn out to be somebody's.
	Ready func() bool

	// Leads says with nil that a Route leads to its container still: Engine.Leads.
	// Connections to a port that is published are used only then, and never without
	// it.
	Leads func(context.Context, engine.Route) error

	// Challenge answers a request in clear that is not for a container but for
	// us: an ACME authority's.
	Challenge func(w http.ResponseWriter, r *http.Request) bool

	Log *zap.Logger // nil for none
}

func (o Options) withDefaults() Options {
	o.Drain = max(0, cmp.Or(o.Drain, DefaultDrain))
	o.MaxUpgraded = cmp.Or(o.MaxUpgraded, 10_000)
	if o.Ready == nil {
		o.Ready = func() bool { return true }
	}
	if o.Leads == nil {
		o.Leads = func(context.Context, engine.Route) error { return errors.New("nobody says where containers are") }
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

// DefaultDrain is how long draining takes at most, unless it is said otherwise.
const DefaultDrain = 10 * time.Second

// Ingress is the http.Handler that routes to containers, and the engine's Router.
type Ingress struct {
	options Options
	log     *zap.Logger
	proxy   *httputil.ReverseProxy

	table   atomic.Pointer[table]
	changed bell // rings when a request that waits should look again

	mu         sync.Mutex            // guards the next five
	containers map[string]*container // by id
	together   int                   // how many are telling of many routes
	servers    []*http.Server
	ending     bool // no server is begun any more
	closing    bool // no container is served any more
	stats      statistics

	upgraded   atomic.Int64 // WebSockets that are open
	background sync.WaitGroup
	ctx        context.Context // ends with the Ingress
	end        context.CancelFunc
}

// New gives an ingress that knows of no container yet.
func New(options Options) *Ingress {
	in := &Ingress{options: options.withDefaults(), containers: map[string]*container{}}
	in.log = in.options.Log
	in.ctx, in.end = context.WithCancel(context.Background())
	in.table.Store(&table{})
	in.proxy = &httputil.ReverseProxy{
		Rewrite:       rewrite,
		Transport:     in,
		FlushInterval: flushInterval,
		BufferPool:    &buffers{},
		ErrorHandler:  answerError,
		ErrorLog:      zap.NewStdLog(in.log),
	}
	return in
}

// flushInterval bounds how long a piece of a response waits to be sent, if its
// whole length was announced. Every other response is sent as it is written.
const flushInterval = 5 * time.Millisecond

// ServeHTTP implements http.Handler.
func (in *Ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil && in.options.Challenge != nil && in.options.Challenge(w, r) {
		return
	}
	x := in.begin(w, r)
	defer x.end()
	if refusal := x.check(); refusal != nil {
		x.refuse(refusal)
		return
	}
	if there := in.secured(x); there != "" {
		http.Redirect(x, r, there+r.URL.RequestURI(), http.StatusPermanentRedirect)
		return
	}
	if r.ContentLength != 0 {
		http.NewResponseController(w).EnableFullDuplex() // a container may answer while it still reads; over HTTP/2 it always may
	}
	in.proxy.ServeHTTP(x, x.request)
}

// secured gives where the host of a request in clear is served over TLS.
func (in *Ingress) secured(x *exchange) string {
	if x.request.TLS != nil || in.options.Secured == nil || !in.Knows(x.host) {
		return ""
	}
	return in.options.Secured(x.host)
}

// bell wakes those who wait for something to change. The zero value is ready.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait gives a channel that is closed when the bell rings next. To miss nothing,
// take it before looking.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// buffers are what responses are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buffer[:]
	}
	return make([]byte, bufferSize)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }
