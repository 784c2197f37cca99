package enginetest

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Canary listens, for TCP and UDP on one port, where nobody may come.
type Canary struct {
	Port string

	mu    sync.Mutex
	heard []string // from whom, as they came
	news  chan struct{}
}

// NewCanary gives a Canary at every address of this host, loopback included.
func NewCanary(t testing.TB) *Canary { return newCanary(t) }

func newCanary(t testing.TB) *Canary {
	t.Helper()
	streams, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Canary{Port: strconv.Itoa(streams.Addr().(*net.TCPAddr).Port), news: make(chan struct{}, 1)}
	datagrams, err := net.ListenPacket("udp", ":"+c.Port)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { c.accept(streams) })
	running.Go(func() { c.receive(datagrams) })
	t.Cleanup(func() {
		streams.Close()
		datagrams.Close()
		running.Wait()
	})
	return c
}

func (c *Canary) accept(streams net.Listener) {
	for {
		conn, err := streams.Accept()
		if err != nil {
			return
		}
		c.note("tcp from " + conn.RemoteAddr().String())
		conn.Close()
	}
}

func (c *Canary) receive(datagrams net.PacketConn) {
	for buf := make([]byte, 64); ; {
		_, from, err := datagrams.ReadFrom(buf)
		if err != nil {
			return
		}
		c.note("udp from " + from.String())
	}
}

func (c *Canary) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, what)
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Heard gives who came since it was last asked.
func (c *Canary) Heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.heard = nil }()
	return slices.Clone(c.heard)
}

// MustHear dials the Canary at the host and fails the test if it does not hear
// that: a deaf one proves nothing.
func (c *Canary) MustHear(t testing.TB, network, host string) {
	t.Helper()
	conn, err := net.DialTimeout(network, net.JoinHostPort(host, c.Port), 5*time.Second)
	if err != nil {
		t.Fatalf("the canary cannot be reached: %v", err)
	}
	defer conn.Close()
	conn.Write([]byte("control"))
	for late := time.After(5 * time.Second); len(c.Heard()) == 0; {
		select {
		case <-c.news:
		case <-late:
			t.Fatalf("the canary does not hear %s at %s", network, host)
		}
	}
}
