package enginetest

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Proxy is a Unix socket before the engine's, on which a test can cut what goes
// through and refuse what comes.
type Proxy struct {
	socket, engine string
	running        sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]bool // both ends of all that goes through
	mode     mode
	unheard  string // requests that hold this are not passed on; "" for none
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
	dir, err := os.MkdirTemp("", "proxy") // t.TempDir can be longer than a socket's path may be
	if err != nil {
		t.Fatal(err)
	}
	host := Client(t).DaemonHost()
	p := &Proxy{socket: filepath.Join(dir, "engine.sock"), engine: host, conns: map[net.Conn]bool{}}
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
		conn.Close()
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

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
}

// Ignore has requests that hold the text wait for an answer in vain, until
// Restore, which cuts everything.
func (p *Proxy) Ignore(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unheard = text
}

func (p *Proxy) ignores(request []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unheard != "" && bytes.Contains(request, []byte(p.unheard))
}

// Restore ends Refuse, Silence, CutRequests and Ignore.
func (p *Proxy) Restore() {
	p.mu.Lock()
	wasSilent := p.mode == silent || p.unheard != ""
	p.mode, p.unheard = passing, ""
	if p.listener == nil {
		listener, err := net.Listen("unix", p.socket)
		if err != nil {
			panic(err) // the directory is our own: the test cannot go on
		}
		p.listener = listener
		p.running.Go(func() { p.accept(listener) })
	}
	p.mu.Unlock()
	if wasSilent {
		p.Cut()
	}
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.join(conn) })
	}
}

func (p *Proxy) join(conn net.Conn) {
	network, address, _ := strings.Cut(p.engine, "://")
	engine, err := net.Dial(network, address)
	if err != nil {
		conn.Close()
		return
	}
	defer p.drop(conn, engine)
	if !p.keep(conn, engine) {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { p.pump(engine, conn, true) })
	p.pump(conn, engine, false)
	up.Wait()
}

// pump carries bytes until one end closes, then half-closes the other: streams
// that were hijacked end one direction at a time.
func (p *Proxy) pump(to, from net.Conn, requests bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		mode := p.modeNow()
		if requests && n > 0 && mode == cutting {
			from.Close()
			break
		}
		if n > 0 && mode != silent && !(requests && p.ignores(buf[:n])) {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = true
	}
	return p.listener != nil
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
		delete(p.conns, conn)
	}
}

func (p *Proxy) modeNow() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}
