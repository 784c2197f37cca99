package rpc

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	writeBuffer = 4 * kib  // of a WebSocket
	gatherSize  = 64 * kib // frames that wait together go out in writes of about this size
	tlsStep     = 16 * kib // one record
)

// link is the network connection under a WebSocket. A write fails only when the
// peer takes nothing at all for a while, however long a large message takes to
// go out; and the frames that wait together leave in one system call.
type link struct {
	net.Conn
	timeout time.Duration // how long a write may make no progress
	step    int           // the bytes of one write; each has a deadline of its own

	mu     sync.Mutex
	gather *buffer // guarded by mu; not nil between hold and flush
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
		_ = l.Conn.SetWriteDeadline(time.Now().Add(l.timeout)) // fails on a closed connection, as the write then does
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
