package ingress

import (
	"bufio"
	"encoding/binary"
	"net"
	"net/http"
	"sync"
	"time"
)

// tunnel is the connection of a client whose WebSocket was accepted. What is
// written to it comes from the container; it follows the frames in that, so that
// it can say at the end of one that the server goes away.
type tunnel struct {
	net.Conn
	reader   *bufio.Reader
	exchange *exchange

	mu     sync.Mutex
	frames frames
	open   bool // the answer to the handshake is written
	going  bool // it was told to go
	said   bool // the client was told, and gets nothing more
}

// goodbye is a close frame of a server that goes away: 1001.
var goodbye = []byte{0x88, 2, 1001 >> 8, 1001 & 0xff}

// goodbyeTime is how long a client has to close what it was told to.
const goodbyeTime = 2 * time.Second

// Read implements io.Reader. The first is after the handshake.
func (t *tunnel) Read(p []byte) (int, error) {
	t.mu.Lock()
	if !t.open {
		t.open = true
		t.sayGoodbye()
	}
	t.mu.Unlock()
	n, err := t.reader.Read(p)
	t.exchange.received.Add(int64(n))
	return n, err
}

// Write implements io.Writer.
func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said {
		return len(p), nil
	}
	whole := p
	if t.going {
		whole = p[:t.frames.rest(p)]
	}
	t.frames.follow(whole)
	n, err := t.Conn.Write(whole)
	t.exchange.sent.Add(int64(n))
	if err != nil {
		return n, err
	}
	t.sayGoodbye()
	return len(p), nil
}

// goAway tells the client to go, with the frame under way finished, and closes
// the connection if it does not.
func (t *tunnel) goAway() {
	time.AfterFunc(goodbyeTime, func() { t.Close() })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.going = true
	t.sayGoodbye()
}

func (t *tunnel) sayGoodbye() {
	if t.going && t.open && !t.said && t.frames.between() {
		t.said = true
		t.SetWriteDeadline(time.Now().Add(goodbyeTime))
		t.Conn.Write(goodbye)
	}
}

// frames follows WebSocket frames (RFC 6455, section 5.2) through the pieces of
// a stream.
type frames struct {
	head []byte // of the frame under way, as long as it is not complete
	left uint64 // bytes to come of its payload
}

// between says whether the last frame is complete and no other has begun.
func (f *frames) between() bool { return len(f.head) == 0 && f.left == 0 }

// follow goes through p.
func (f *frames) follow(p []byte) {
	for len(p) > 0 {
		p = p[f.step(p):]
	}
}

// rest gives how much of p belongs to the frame that is under way.
func (f *frames) rest(p []byte) int {
	probe, n := frames{append([]byte(nil), f.head...), f.left}, 0
	for n < len(p) && !probe.between() {
		n += probe.step(p[n:])
	}
	return n
}

// step goes through the next of p: a byte of a head, or what is there of a
// payload. It gives how much that was.
func (f *frames) step(p []byte) int {
	if f.left > 0 {
		n := min(f.left, uint64(len(p)))
		f.left -= n
		return int(n)
	}
	f.head = append(f.head, p[0])
	if size, complete := payload(f.head); complete {
		f.head, f.left = f.head[:0], size
	}
	return 1
}

// payload gives the size of the payload that a head announces, once the head is
// complete.
func payload(head []byte) (size uint64, complete bool) {
	if len(head) < 2 {
		return 0, false
	}
	need, short := 2, head[1]&0x7f
	switch short {
	case 126:
		need += 2
	case 127:
		need += 8
	}
	if head[1]&0x80 != 0 {
		need += 4 // a mask, which a server should not use
	}
	if len(head) < need {
		return 0, false
	}
	switch short {
	case 126:
		return uint64(binary.BigEndian.Uint16(head[2:])), true
	case 127:
		return binary.BigEndian.Uint64(head[2:]), true
	}
	return uint64(short), true
}

// addTunnel notes a WebSocket of the backend, to tell it when the backend leaves.
func (b *backend) addTunnel(t *tunnel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tunnels[t] = struct{}{}
	if b.leaving {
		go t.goAway()
	}
}

// tellTunnels tells all WebSockets of the backend to go.
func (b *backend) tellTunnels() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.goAway()
}

func (b *backend) goAway() {
	for t := range b.tunnels {
		go t.goAway() // which may have to wait for what is being written
	}
}

func (b *backend) removeTunnel(t *tunnel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tunnels, t)
}

// countUpgrade takes one of the WebSockets that there may be, until the exchange
// ends.
func (x *exchange) countUpgrade() error {
	if x.in.upgraded.Add(1) > int64(x.in.options.MaxUpgraded) {
		x.in.upgraded.Add(-1)
		return refuse(http.StatusServiceUnavailable, "too many WebSockets are open")
	}
	x.upgrading = true
	return nil
}
