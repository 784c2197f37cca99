package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
)

// envelopeSize is what a response is reckoned to take besides its id and its
// result or the words and the data of its error.
const envelopeSize = 64

// answer sends the response to a call and gives the error that was sent: a
// result that cannot be sent becomes one.
func (s *session) answer(call *Call, result any, failure *Error, wait bool) *Error {
	if failure == nil {
		enc := newEncoder()
		defer enc.free()
		var data json.RawMessage
		if data, failure = s.encode(call, enc, result); failure == nil {
			failure = s.respond(call, &jsonrpc2.Response{Result: &data}, wait)
		}
	}
	if failure != nil {
		s.respond(call, &jsonrpc2.Response{Error: failure.typed()}, wait)
	}
	return failure
}

// encode gives the JSON of a result, or why it cannot be answered.
func (s *session) encode(call *Call, enc *encoder, result any) (json.RawMessage, *Error) {
	data, err := enc.encode(result)
	if err != nil {
		return nil, s.internal(call, fmt.Errorf("encode the result of %s: %w", call.method, err), nil)
	}
	if len(data) > s.opts.MaxAnswer {
		return nil, s.opts.LimitError("answer", fmt.Sprintf("the result has %d bytes, an answer at most %d", len(data), s.opts.MaxAnswer))
	}
	return data, nil
}

// respond hands a response to Conn, which brings it back to WriteObject, once
// there is room for it. It fails for a result that finds none among the
// answers of unfinished batches, which cannot wait for one another: the error
// takes its place.
func (s *session) respond(call *Call, resp *jsonrpc2.Response, wait bool) *Error {
	size := sizeOf(call.id, resp)
	room, ok := s.room(call, size, wait)
	if !ok && call.batch == nil {
		return nil // the connection has ended
	}
	if !ok && resp.Error == nil {
		return s.opts.LimitError("queue", "the answers of the unfinished batches are too large together: send the call by itself")
	}
	if !ok {
		room = s.insist(size)
	}
	call.room = room
	s.release(call)
	resp.ID = jsonrpc2.ID{Num: call.number}
	if call.conn.SendResponse(call.life, resp) != nil {
		s.lose(call)
	} else if call.whole != nil {
		s.out.push(*call.whole)
	}
	return nil
}

// sizeOf gives what a response is reckoned to take. An error may be large too:
// it can quote whatever its call has sent.
func sizeOf(id json.RawMessage, resp *jsonrpc2.Response) int {
	size := envelopeSize + len(id)
	switch {
	case resp.Error == nil:
		return size + len(*resp.Result)
	case resp.Error.Data == nil:
		return size + len(resp.Error.Message)
	}
	return size + len(resp.Error.Message) + len(*resp.Error.Data)
}

// room takes room for a response. One that stands alone has its turn in the
// queue, or ends a connection whose reader has to answer too much.
func (s *session) room(call *Call, size int, wait bool) (grant, bool) {
	if wait && call.batch == nil {
		g, err := s.out.budget.wait(call.life, size)
		return g, err == nil
	}
	g, ok := s.out.budget.take(size)
	if !ok && call.batch == nil {
		s.overrun()
	}
	return g, ok
}

// insist takes room that there is not, for an error that a batch is owed. A peer
// that has too many of them is one that does not read.
func (s *session) insist(size int) grant {
	g, ok := s.out.budget.insist(size)
	if !ok {
		s.overrun()
	}
	return g
}

// overrun ends a connection whose peer sends and sends, and does not read what
// is answered.
func (s *session) overrun() {
	s.out.end(websocket.ClosePolicyViolation, false)
	_ = s.ws.SetReadDeadline(time.Now().Add(s.opts.CloseGrace)) // fails on a connection that has ended
}

// sending keeps the response that Conn gives to WriteObject next.
func (s *session) sending(_ *jsonrpc2.Request, resp *jsonrpc2.Response) { s.sent = resp }

// WriteObject implements jsonrpc2.ObjectStream: it puts the response into the
// outbox or the batch. It never waits, for Conn lets nobody else send meanwhile.
func (s *session) WriteObject(any) error {
	resp := s.sent
	s.sent = nil
	s.mu.Lock()
	call := s.calls[resp.ID.Num]
	s.mu.Unlock()
	buf := newBuffer()
	buf.data = appendResponse(buf.data, call.id, resp)
	if call.batch == nil {
		s.out.push(outFrame{buffer: buf, grant: call.room})
		return nil
	}
	call.whole = call.batch.put(call.place, bytes.Clone(buf.data), call.room)
	buf.free()
	return nil
}

// lose gives the room of a response back: the connection has ended before it.
func (s *session) lose(call *Call) {
	if call.batch == nil {
		s.out.budget.release(call.room)
	} else if whole := call.batch.put(call.place, nil, call.room); whole != nil {
		s.out.budget.release(whole.grant)
		whole.free()
	}
}

// refuse answers what is not a request, for which there is no Call.
func (s *session) refuse(m *message, place int) {
	buf := newBuffer()
	buf.data = appendResponse(buf.data, m.id, &jsonrpc2.Response{Error: m.bad.typed()})
	room, ok := s.out.budget.take(len(buf.data))
	switch {
	case s.batch != nil:
		if !ok {
			room = s.insist(len(buf.data))
		}
		if whole := s.batch.put(place, bytes.Clone(buf.data), room); whole != nil {
			s.out.push(*whole)
		}
		buf.free()
	case ok:
		s.out.push(outFrame{buffer: buf, grant: room})
	default:
		s.overrun()
	}
}
