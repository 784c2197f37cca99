package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
)

// clientStream is the ObjectStream and the Handler of a client's
// jsonrpc2.Conn, built as a session is: Conn gets messages without content, and
// received fills them in.
type clientStream struct {
	client *Client

	// These belong to the goroutine that reads.
	queue   []message // of the frame that was read last
	blank   blank
	current message

	sent *jsonrpc2.Request // guarded by Conn, which sends one request at a time
}

// ReadObject implements jsonrpc2.ObjectStream. What is neither a notification
// nor the response to a call is passed over.
func (s *clientStream) ReadObject(v any) error {
	for {
		if len(s.queue) == 0 {
			if err := s.readFrame(); err != nil {
				s.client.fail(fmt.Errorf("%w: %w", ErrClosed, err))
				return err
			}
			continue
		}
		s.current, s.queue = s.queue[0], s.queue[1:]
		switch {
		case s.current.bad != nil:
		case s.current.ignore:
			if id, err := strconv.ParseUint(string(s.current.id), 10, 64); err == nil {
				return v.(json.Unmarshaler).UnmarshalJSON(fmt.Appendf(nil, `{"id":%d,"result":0}`, id))
			}
		default:
			return s.blank.into(v)
		}
	}
}

func (s *clientStream) readFrame() error {
	_, r, err := s.client.ws.NextReader()
	if err != nil {
		return err
	}
	buf := newBuffer()
	defer buf.free()
	if err := buf.readAll(r, s.client.opts.ReadLimit); err != nil {
		return err
	}
	s.client.heard()
	f, bad := split(bytes.Clone(buf.data), unlimited, s.client.opts.ReadLimit, nil)
	if bad != nil {
		return fmt.Errorf("the server sent something else than JSON-RPC: %w", bad)
	}
	s.queue = f.messages
	return nil
}

// received fills in what Conn has made of a skeleton. A response is the call's
// from here on, behind its notifications.
func (s *clientStream) received(req *jsonrpc2.Request, resp *jsonrpc2.Response) {
	if resp == nil {
		req.Method, req.Notif = s.current.method, s.current.id == nil
		return
	}
	if s.current.err != nil && !bytes.Equal(s.current.err, null) {
		resp.Result, resp.Error = nil, new(jsonrpc2.Error)
		if err := json.Unmarshal(s.current.err, resp.Error); err != nil {
			resp.Error.Message = fmt.Sprintf("an error that is none: %v", err)
		}
	} else {
		result := s.current.result
		resp.Result = &result
	}
	if p := s.client.find(resp.ID.Num); p != nil {
		p.answer(resp)
	}
}

// Handle implements jsonrpc2.Handler: a notification goes to the call that its
// params name.
func (s *clientStream) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	if !req.Notif {
		return // a server calls nothing here
	}
	if p := s.client.find(eventID(s.current.params)); p != nil {
		p.event(incoming{s.current.method, s.current.params})
	}
}

// eventID gives params.id, 0 if that is not an id of ours.
func eventID(params json.RawMessage) uint64 {
	var id uint64
	s := scanner{data: params, depth: unlimited}
	_ = s.object(func(name, value []byte) error {
		if string(name) == `"id"` {
			id, _ = strconv.ParseUint(string(value), 10, 64) // 0 if it is none
			return errFound
		}
		return nil
	})
	return id
}

// errFound ends a search.
var errFound = errors.New("found")

// sending keeps the request that Conn gives to WriteObject next, with the
// params as they were encoded: Conn would encode them again.
func (s *clientStream) sending(req *jsonrpc2.Request, _ *jsonrpc2.Response) {
	s.sent = req
	if p := s.client.find(req.ID.Num); p != nil && !req.Notif && p.params != nil {
		req.Params = &p.params
	}
}

// WriteObject implements jsonrpc2.ObjectStream.
func (s *clientStream) WriteObject(any) error {
	buf := newBuffer()
	defer buf.free()
	buf.data = appendRequest(buf.data, s.sent)
	err := s.client.ws.WriteMessage(websocket.TextMessage, buf.data)
	if err != nil && err != websocket.ErrCloseSent { // the reader knows why, and ends
		s.client.fail(fmt.Errorf("%w: %w", ErrClosed, err))
		_ = s.client.ws.Close() // the reader ends with it
	}
	return err
}

func appendRequest(to []byte, req *jsonrpc2.Request) []byte {
	to = append(to, `{"jsonrpc":"2.0"`...)
	if !req.Notif {
		to = append(to, `,"id":`...)
		to = strconv.AppendUint(to, req.ID.Num, 10)
	}
	to = append(to, `,"method":`...)
	to = appendJSON(to, req.Method)
	if req.Params != nil {
		to = append(to, `,"params":`...)
		to = append(to, *req.Params...)
	}
	return append(to, '}')
}

// Close implements jsonrpc2.ObjectStream. Conn calls it when the connection has
// ended.
func (s *clientStream) Close() error {
	err := s.client.ws.Close()
	close(s.client.done)
	return err
}
