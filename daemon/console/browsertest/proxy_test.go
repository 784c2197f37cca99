package browsertest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is a network between a client and the daemon, that can break.
type proxy struct {
	address, target string
	all             sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]bool
	silent   chan struct{} // closed when what is sent gets through; nil while it does
}

func newProxy(t testing.TB, target string) *proxy {
	p := &proxy{address: "127.0.0.1:0", target: target, conns: map[net.Conn]bool{}}
	if err := p.restore(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.refuse()
		p.all.Wait()
	})
	return p
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	p.passLocked()
}

// refuse cuts, and takes no connection until restore.
func (p *proxy) refuse() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.cut()
}

// silence holds back what either side sends until cut or restore.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil {
		p.silent = make(chan struct{})
	}
}

// restore ends refuse and silence.
func (p *proxy) restore() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passLocked()
	if p.listener != nil {
		return nil
	}
	if p.listener, err = net.Listen("tcp", p.address); err != nil {
		return err
	}
	p.address = p.listener.Addr().String()
	listener := p.listener
	p.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.join(conn) })
		}
	})
	return nil
}

func (p *proxy) passLocked() {
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}

// join carries bytes both ways until one side ends.
func (p *proxy) join(near net.Conn) {
	far, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		near.Close()
		return
	}
	p.mu.Lock()
	p.conns[near], p.conns[far] = true, true
	p.mu.Unlock()
	p.all.Go(func() { p.pump(far, near) })
	p.pump(near, far)
}

func (p *proxy) pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if wait := p.waits(); wait != nil {
			<-wait
		}
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range []net.Conn{to, from} {
		conn.Close()
		delete(p.conns, conn)
	}
}

func (p *proxy) waits() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent
}
