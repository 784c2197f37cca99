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
	unheard  string       // requests that hold this are not passed on; "" for none
	changes  int          // requests that change something until one is cut off; 0 for never
	answered bool         // it is cut off once the engine has answered it
	reached  func(string) // is told which it was
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

// RefuseAt refuses, as Refuse does, when the n-th request from now on comes that
// changes something: before the engine gets it, or when it has answered it. Then
// reached is told which request it was. With 0 it does not any more.
func (p *Proxy) RefuseAt(n int, answered bool, reached func(request string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes, p.answered, p.reached = n, answered, reached
}

// isCutOff says whether what was read is the request that RefuseAt waits for.
func (p *Proxy) isCutOff(read []byte) (request string, cut bool) {
	line, _, _ := strings.Cut(string(read[:min(len(read), 1024)]), " HTTP/1.1\r\n")
	if !strings.HasPrefix(line, "POST ") && !strings.HasPrefix(line, "DELETE ") {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changes == 0 {
		return "", false
	}
	p.changes--
	return line, p.changes == 0
}

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
	last := make(chan string, 1) // the request whose answer is not to come through
	var up sync.WaitGroup
	up.Go(func() { p.pump(engine, conn, func(read []byte) bool { return p.passRequest(read, last) }) })
	p.pump(conn, engine, func([]byte) bool { return p.passAnswer(last) })
	up.Wait()
}

// passRequest says whether what was read of a request may go to the engine.
func (p *Proxy) passRequest(read []byte, last chan<- string) bool {
	if p.modeNow() == cutting {
		return false
	}
	request, cut := p.isCutOff(read)
	switch {
	case !cut:
		return true
	case p.answered:
		last <- request
		return true
	}
	p.reached(request)
	p.Refuse()
	return false
}

func (p *Proxy) passAnswer(last <-chan string) bool {
	select {
	case request := <-last:
		p.reached(request)
		p.Refuse()
		return false
	default:
		return true
	}
}

// pump carries bytes until one end closes, then half-closes the other: streams
// that were hijacked end one direction at a time. What may not pass closes both.
func (p *Proxy) pump(to, from net.Conn, pass func(read []byte) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !pass(buf[:n]) {
			from.Close()
			break
		}
		if n > 0 && p.modeNow() != silent && !p.ignores(buf[:n]) {
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
