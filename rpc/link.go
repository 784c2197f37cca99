package rpc

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeBuffer = 4 * kib  // of a WebSocket
	gatherSize  = 64 * kib // frames that wait together go out in writes of about this size
	tlsStep     = 16 * kib // one record
	joinSize    = 4 * kib  // parts of so few bytes are sooner copied than sent from where they are
)

// link is the network connection under a WebSocket. A write fails only when the
// peer takes nothing at all for a while, however long a large message takes to
// go out; and the frames that wait together leave in one system call.
type link struct {
	net.Conn
	timeout time.Duration // how long a write may make no progress
	step    int           // the bytes of one write; each has a deadline of its own

	mu     sync.Mutex  // guards the rest
	gather *buffer     // not nil between hold and flush
	header [10]byte    // of the frame that is written just now
	parts  [5][]byte   // what it is made of
	vector net.Buffers // those of them that are still to be written
}

func newLink(conn net.Conn, timeout time.Duration) *link {
	l := &link{Conn: conn, timeout: timeout, step: 1 * mib}
	if _, ok := conn.(*tls.Conn); ok {
		l.step = tlsStep // after a timeout within a record nothing can follow
	}
	return l
}

// hold gathers what is written from now on until flush.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gather = newBuffer()
}

// flush sends what was gathered.
func (l *link) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	gather := l.gather
	l.gather = nil
	defer gather.free()
	return l.send(gather.data)
}

// Write implements net.Conn.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.gather == nil:
		return len(p), l.send(p)
	case len(l.gather.data)+len(p) <= gatherSize:
		l.gather.data = append(l.gather.data, p...)
		return len(p), nil
	}
	err := l.send(l.gather.data)
	l.gather.data = l.gather.data[:0]
	if err == nil {
		err = l.send(p)
	}
	return len(p), err
}

// writeText writes a text frame. Its payload lies in several parts, which go out
// from where they are, in one system call with what was gathered before.
func (l *link) writeText(payload ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := 0
	for _, part := range payload {
		size += len(part)
	}
	frame := append(l.parts[:1], frameHeader(l.header[:0], size))
	frame = append(frame, payload...)
	if l.gather == nil {
		return l.sendParts(frame[1:], size)
	}
	if len(l.gather.data)+size <= gatherSize {
		for _, part := range frame[1:] {
			l.gather.data = append(l.gather.data, part...)
		}
		return nil
	}
	frame[0] = l.gather.data
	err := l.sendParts(frame, size+len(frame[0]))
	l.gather.data = l.gather.data[:0]
	return err
}

// frameHeader appends the header of a whole text frame as a server sends it
// (RFC 6455, 5.2).
func frameHeader(to []byte, size int) []byte {
	const wholeText = 0x80 | websocket.TextMessage
	switch {
	case size < 126:
		return append(to, wholeText, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(to, wholeText, 126), uint16(size))
	}
	return binary.BigEndian.AppendUint64(append(to, wholeText, 127), uint64(size))
}

// SetWriteDeadline does nothing: every write sets its own.
func (l *link) SetWriteDeadline(time.Time) error { return nil }

func (l *link) send(p []byte) error {
	for part := range slices.Chunk(p, l.step) {
		if err := l.sendPart(part); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) sendPart(part []byte) error {
	for {
		l.setDeadline()
		n, err := l.Conn.Write(part)
		if n == len(part) {
			return nil
		}
		part = part[n:]
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// sendParts sends what lies in several parts. Those of a small frame are joined,
// and those for TLS have to be.
func (l *link) sendParts(parts [][]byte, size int) error {
	if size > joinSize && l.step != tlsStep {
		return l.sendVector(parts)
	}
	joined := newBuffer()
	defer joined.free()
	for _, part := range parts {
		joined.data = append(joined.data, part...)
	}
	return l.send(joined.data)
}

func (l *link) sendVector(parts [][]byte) error {
	defer clear(parts)
	for l.vector = parts; ; {
		l.setDeadline()
		n, err := l.vector.WriteTo(l.Conn)
		if len(l.vector) == 0 {
			return nil
		}
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

func (l *link) setDeadline() {
	_ = l.Conn.SetWriteDeadline(time.Now().Add(l.timeout)) // fails on a closed connection, as the write then does
}

// hijacker makes the connection that an upgrade takes over a link.
type hijacker struct {
	http.ResponseWriter
	timeout time.Duration
	link    *link
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.link = newLink(conn, h.timeout)
	return h.link, buf, nil
}
