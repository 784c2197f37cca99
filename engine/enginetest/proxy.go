package enginetest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// Proxy is a Unix socket before the engine's. A test can cut what goes through
// it, refuse what comes, and with Inject do as it likes with single requests.
type Proxy struct {
	*faults.Proxy

	socket  string
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[*proxyConn]bool // all that there are
	mode     mode
}

type mode int

const (
	passing mode = iota
	silent
	cutting
)

// NewProxy gives a Proxy before the engine at the default socket, or at
// DOCKER_HOST. It is gone when the test ends.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	return NewProxyOf(t, Client(t).DaemonHost())
}

// NewProxyOf gives a Proxy before the engine at the address, such as
// unix:///PATH, which need not be up yet. It is gone when the test ends.
func NewProxyOf(t testing.TB, engine string) *Proxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy") // t.TempDir can be longer than a socket's path may be
	if err != nil {
		t.Fatal(err)
	}
	network, address, _ := strings.Cut(engine, "://")
	p := &Proxy{socket: filepath.Join(dir, "engine.sock"), conns: map[*proxyConn]bool{}}
	p.Proxy = faults.New(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	})
	t.Cleanup(func() {
		p.Refuse()
		p.running.Wait()
		os.RemoveAll(dir)
	})
	p.Restore()
	return p
}

// Socket gives the address to reach the engine through the proxy.
func (p *Proxy) Socket() string { return "unix://" + p.socket }

// Cut breaks every connection there is. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.UnixConn.Close()
	}
}

// Refuse cuts, and takes no connection until Restore.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// Silence takes connections but lets nothing through, in either direction, until
// Restore, which cuts them.
func (p *Proxy) Silence() { p.set(silent) }

// CutRequests takes requests but cuts their connection instead of passing them
// on, until Restore: the client has sent them and never learns what became of
// them.
func (p *Proxy) CutRequests() { p.set(cutting) }

// changing matches the requests that change something.
var changing = regexp.MustCompile("^(POST|DELETE) ")

// RefuseAt refuses, as Refuse does, when the n-th request from now on comes that
// changes something: before the engine gets it, or when it has answered it. Then
// reached is told which request it was.
func (p *Proxy) RefuseAt(n int, answered bool, reached func(request string)) {
	var request string
	refuse := func() {
		reached(request)
		p.Refuse()
	}
	rule := faults.Rule{Match: changing, Skip: n - 1, Times: 1, Hit: func(name string) { request = name }}
	if answered {
		rule.After, rule.Cut = refuse, true
	} else {
		rule.Before, rule.Lose = refuse, true
	}
	p.Inject(0, rule)
}

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

// Restore ends Refuse, Silence and CutRequests.
func (p *Proxy) Restore() {
	p.mu.Lock()
	wasSilent := p.mode == silent
	p.mode = passing
	if p.listener == nil {
		listener, err := net.Listen("unix", p.socket)
		if err != nil {
			panic(err) // the directory is our own: the test cannot go on
		}
		p.listener = listener
		server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
		p.running.Go(func() { server.Serve(&proxyListener{listener, p}) })
	}
	p.mu.Unlock()
	if wasSilent {
		p.Cut()
	}
}

// proxyListener takes the connections of clients.
type proxyListener struct {
	net.Listener
	proxy *Proxy
}

func (l *proxyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &proxyConn{conn.(*net.UnixConn), l.proxy}
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.proxy.conns[c] = true
	l.proxy.running.Add(1)
	if l.proxy.listener == nil { // it came while Refuse was called
		c.UnixConn.Close()
	}
	return c, nil
}

// proxyConn is a client's connection, on which the proxy's mode counts.
type proxyConn struct {
	*net.UnixConn
	proxy *Proxy
}

func (c *proxyConn) Read(buf []byte) (int, error) {
	for {
		n, err := c.UnixConn.Read(buf)
		switch mode := c.proxy.modeNow(); {
		case err != nil:
			return n, err
		case mode == cutting:
			c.UnixConn.Close()
			return 0, net.ErrClosed
		case mode == passing:
			return n, nil
		}
	}
}

func (c *proxyConn) Write(buf []byte) (int, error) {
	if c.proxy.modeNow() == silent {
		return len(buf), nil
	}
	return c.UnixConn.Write(buf)
}

func (c *proxyConn) Close() error {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.proxy.conns[c] {
		delete(c.proxy.conns, c)
		c.proxy.running.Done()
	}
	return c.UnixConn.Close()
}

func (p *Proxy) modeNow() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}
