package git

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// proxy is the HTTP proxy through which one fetch, with its submodules and
// redirects, goes out. It connects where the policy allows, and counts what
// comes in. It listens on loopback and takes only who knows its secret.
type proxy struct {
	policy   Policy
	limit    int64 // of bytes received
	received atomic.Int64
	stop     context.CancelCauseFunc // ends the fetch, and says why

	secret    string
	server    *http.Server
	address   string
	transport *http.Transport
	forward   *httputil.ReverseProxy
	ctx       context.Context // ends with the proxy
	end       context.CancelFunc
	running   sync.WaitGroup
}

func startProxy(policy Policy, limit int64, stop context.CancelCauseFunc) (*proxy, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{policy: policy, limit: limit, stop: stop, secret: rand.Text(), address: lis.Addr().String()}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.transport = &http.Transport{
		DialContext:           func(ctx context.Context, _, address string) (net.Conn, error) { return p.dial(ctx, address) },
		DisableCompression:    true,
		ResponseHeaderTimeout: time.Minute,
		TLSHandshakeTimeout:   dialTimeout,
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {},
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, err error) { w.WriteHeader(statusOf(err)) },
	}
	p.server = &http.Server{
		Handler:           p,
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
		ReadHeaderTimeout: dialTimeout,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	p.running.Go(func() { _ = p.server.Serve(lis) })
	return p, nil
}

// url is the proxy's address as git takes it, secret included.
func (p *proxy) url() string {
	u := url.URL{Scheme: "http", User: url.UserPassword("git", p.secret), Host: p.address}
	return u.String()
}

// close ends all connections, and returns when they have ended.
func (p *proxy) close() {
	p.end()
	_ = p.server.Close()
	p.running.Wait()
	p.transport.CloseIdleConnections()
}

// ServeHTTP takes CONNECT, and requests with an absolute http URL.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.running.Add(1)
	defer p.running.Done()
	switch {
	case !p.knows(r):
		w.Header().Set("Proxy-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	case r.URL.Scheme == "http" && r.URL.Host != "":
		p.forward.ServeHTTP(w, r)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (p *proxy) knows(r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("git:"+p.secret))
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(want)) == 1
}

func (p *proxy) connect(w http.ResponseWriter, r *http.Request) {
	remote, err := p.dial(r.Context(), r.Host)
	if err != nil {
		w.WriteHeader(statusOf(err))
		return
	}
	defer remote.Close()
	local, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer local.Close()
	if _, err := io.WriteString(local, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
		p.tunnel(local, buffered.Reader, remote)
	}
}

// tunnel copies both ways until either end closes or the proxy ends.
func (p *proxy) tunnel(local net.Conn, sent io.Reader, remote net.Conn) {
	hangUp := func() {
		local.Close()
		remote.Close()
	}
	defer context.AfterFunc(p.ctx, hangUp)()
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(remote, sent)
		hangUp()
	})
	_, _ = io.Copy(local, remote)
	hangUp()
	up.Wait()
}

func statusOf(err error) int {
	var refused *Error
	if errors.As(err, &refused) {
		return http.StatusForbidden
	}
	return http.StatusBadGateway
}

// dial connects where the policy allows. A refusal ends the fetch.
func (p *proxy) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := p.policy.dial(ctx, address)
	var refused *Error
	if errors.As(err, &refused) {
		p.stop(refused)
	}
	if err != nil {
		return nil, err
	}
	return &counted{Conn: conn, proxy: p}, nil
}

// counted counts what is received against the proxy's limit.
type counted struct {
	net.Conn
	proxy *proxy
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if p := c.proxy; p.received.Add(int64(n)) > p.limit {
		over := fail(Limit, "received", "the repository is too large: more than %d MiB would have to be fetched", p.limit>>20)
		p.stop(over)
		return 0, over
	}
	return n, err
}
