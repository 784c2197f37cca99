package rpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
)

// session is one connection. It is the ObjectStream and the Handler of a
// jsonrpc2.Conn, and what Conn does not know goes by it: ReadObject parses a
// frame and gives Conn a request without content, which received then fills
// in; sending keeps the typed response that WriteObject is about to write.
type session struct {
	server  *Server
	opts    *Options
	handler Handler
	ws      *websocket.Conn
	out     outbox
	idle    *time.Timer // nil without close=idle

	// These belong to the goroutine that reads.
	queue   []message // of the frame that was read last
	next    int       // what Conn gets next of it
	batch   *batch    // of that frame; nil if it is none
	read    time.Time // when it was read
	heard   time.Time // when the read deadline was last moved
	blank   blank
	current *Call
	count   uint64 // calls so far

	sent *jsonrpc2.Response // guarded by Conn, which sends one response at a time

	jobs sync.WaitGroup

	mu      sync.Mutex // guards the rest
	calls   map[uint64]*Call
	running slots
	streams slots
	waiting int // bytes of the calls that wait for a slot
}

// ReadObject implements jsonrpc2.ObjectStream. What is not a request it
// answers itself.
func (s *session) ReadObject(v any) error {
	for {
		if s.next == len(s.queue) {
			if err := s.readFrame(); err != nil {
				return err
			}
			continue
		}
		m, place := s.queue[s.next], s.next
		s.next++
		if m.ignore {
			continue
		}
		if m.bad != nil {
			s.refuse(&m, place)
			continue
		}
		s.count++
		s.current = &Call{message: m, session: s, number: s.count, batch: s.batch, place: place, read: s.read}
		return s.blank.into(v)
	}
}

// open waits for the first request, and leaves the connection to a Conn then:
// one that never calls costs a goroutine less.
func (s *session) open() {
	for len(s.queue) == 0 {
		if err := s.readFrame(); err != nil {
			_ = s.Close() // the connection has ended
			return
		}
	}
	jsonrpc2.NewConn(context.Background(), s, s,
		jsonrpc2.SetLogger(silent{}), jsonrpc2.OnRecv(s.received), jsonrpc2.OnSend(s.sending))
}

// received fills in the request that Conn has made of the skeleton. The params
// stay with the call: Conn has no use for them and would keep them.
func (s *session) received(req *jsonrpc2.Request, _ *jsonrpc2.Response) {
	call := s.current
	req.Method = call.method
	req.ID = jsonrpc2.ID{Num: call.number}
	req.Notif = call.Notification()
}

// readFrame reads the next frame and splits it into the queue. A frame that
// cannot be split is answered, and the queue is empty.
func (s *session) readFrame() error {
	s.forget()
	s.rest()
	text, bad, err := s.readText()
	if err != nil || s.out.ended() {
		return err
	}
	s.listen()
	var f frame
	if bad == nil {
		f, bad = split(text, s.opts.MaxDepth, s.opts.MaxBatch, s.queue)
	}
	if bad == nil && f.batch {
		bad = s.batchError(f.count)
	}
	if bad != nil {
		s.refuse(&message{id: null, bad: bad}, 0)
		return nil
	}
	s.queue = f.messages
	if f.batch {
		s.batch = newBatch(f.messages)
	}
	return nil
}

// forget lets go of the frame before, which may be large, while the connection
// waits for the next.
func (s *session) forget() {
	clear(s.queue)
	s.queue, s.next, s.batch, s.current = s.queue[:0], 0, nil, nil
	if cap(s.queue) > 1 {
		s.queue = nil
	}
}

func (s *session) batchError(members int) *Error {
	switch {
	case members == 0:
		return InvalidRequest("a batch has at least one member")
	case members > s.opts.MaxBatch:
		return s.opts.LimitError("batch", fmt.Sprintf("a batch has at most %d members, this one has %d: send several", s.opts.MaxBatch, members))
	}
	return nil
}

// readText reads a message. One that is too long ends the connection, of which
// the rest is then read and forgotten.
func (s *session) readText() (text []byte, bad *Error, err error) {
	kind, r, err := s.ws.NextReader()
	if err != nil || s.out.ended() {
		return nil, nil, err
	}
	buf := newBuffer()
	defer buf.free()
	if err := buf.readAll(r, s.opts.MaxMessage); err != nil {
		return nil, nil, err
	}
	s.read = time.Now()
	if s.read.Sub(s.heard) > s.opts.PingInterval/2 {
		s.heard = s.read
		s.out.heard()
	}
	switch {
	case len(buf.data) > s.opts.MaxMessage:
		s.out.end(websocket.CloseMessageTooBig, false)
		return nil, nil, nil
	case kind != websocket.TextMessage:
		return nil, ParseError("a message is a text frame, this one is binary"), nil
	}
	return bytes.Clone(buf.data), nil, nil
}

// readAll reads r to its end, but stops once there is more than limit.
func (b *buffer) readAll(r io.Reader, limit int) error {
	for len(b.data) <= limit {
		if len(b.data) == cap(b.data) {
			b.data = append(b.data, 0)[:len(b.data)]
		}
		n, err := r.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) pinged(data string) error {
	s.out.answerPing(data)
	return nil
}

func (s *session) ponged(string) error {
	s.out.heard()
	return nil
}

// peerCloses answers the peer's Close with one of the same code.
func (s *session) peerCloses(code int, _ string) error {
	s.out.end(code, false)
	return nil
}

// Close implements jsonrpc2.ObjectStream. Conn calls it on the goroutine that
// reads, when that can read no more.
func (s *session) Close() error {
	s.out.end(0, false)
	select {
	case <-s.out.done:
	case <-time.After(s.opts.CloseGrace):
	}
	err := s.ws.Close()
	<-s.out.done
	s.dropWaiting()
	s.jobs.Wait()
	s.server.remove(s)
	return err
}
