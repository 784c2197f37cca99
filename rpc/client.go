package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
)

// Client is one connection to a server. Its methods may be called from any
// goroutine.
type Client struct {
	ws   *websocket.Conn
	conn *jsonrpc2.Conn
	opts *DialOptions
	done chan struct{} // closed when the connection has ended

	mu    sync.Mutex // guards the rest
	calls map[uint64]*pending
	count uint64
	err   error // why it has ended
}

func newClient(ws *websocket.Conn, opts *DialOptions) *Client {
	c := &Client{ws: ws, opts: opts, done: make(chan struct{}), calls: make(map[uint64]*pending)}
	ws.SetReadLimit(int64(opts.ReadLimit))
	pong, ping := ws.PongHandler(), ws.PingHandler()
	ws.SetPongHandler(func(data string) error { c.heard(); return pong(data) })
	ws.SetPingHandler(func(data string) error { c.heard(); return ping(data) })
	c.heard()
	stream := &clientStream{client: c}
	c.conn = jsonrpc2.NewConn(context.Background(), stream, stream,
		jsonrpc2.SetLogger(silent{}), jsonrpc2.OnRecv(stream.received), jsonrpc2.OnSend(stream.sending))
	go c.ping()
	return c
}

// Call sends a request and waits for its response, which it decodes into
// result: a pointer, or nil for none. Params are what encoding/json makes an
// array or an object of, or nil.
//
// The call's notifications, those whose params.id is its id, go to onEvent if
// there is one: in order, on the goroutine that called Call, and all before
// Call returns. They wait for it in a queue of MaxEvents bytes; when that is
// full the call ends with ErrSlow, after those that are in it. An error of
// onEvent ends the call, and Call returns it. When ctx ends, Call returns its
// error. In each of these cases the server is sent a $/cancelRequest. Only a
// network that takes nothing at all can hold Call up, for WriteTimeout at most.
//
// A response with an error is an *Error. A connection that ends before the
// response gives ErrClosed.
func (c *Client) Call(ctx context.Context, method string, params, result any, onEvent func(method string, params json.RawMessage) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	encoded, err := encodeParams(params)
	if err != nil {
		return err
	}
	p := c.enter(encoded)
	defer c.leave(p.id)
	if _, err := c.conn.DispatchCall(ctx, method, nil, jsonrpc2.PickID(jsonrpc2.ID{Num: p.id})); err != nil {
		<-c.done // it failed to write
		return c.Err()
	}
	resp, err := c.wait(ctx, p, onEvent)
	if err != nil {
		return err
	}
	if resp.Error != nil {
		return fromTyped(resp.Error)
	}
	return decodeResult(*resp.Result, result)
}

// wait hands on the notifications of a call until its response is there.
func (c *Client) wait(ctx context.Context, p *pending, onEvent func(string, json.RawMessage) error) (*jsonrpc2.Response, error) {
	for {
		over := false
		select {
		case <-p.wake:
		case <-c.done:
			over = true
		case <-ctx.Done():
			c.cancelSoon(p.id)
			return nil, ctx.Err()
		}
		events, resp, slow := p.take()
		if err := handOn(ctx, events, onEvent); err != nil {
			c.cancelSoon(p.id)
			return nil, err
		}
		switch {
		case slow:
			return nil, ErrSlow
		case resp != nil:
			return resp, nil
		case over:
			return nil, c.Err()
		}
	}
}

// handOn gives notifications to onEvent, until ctx ends.
func handOn(ctx context.Context, events []incoming, onEvent func(string, json.RawMessage) error) error {
	if onEvent == nil {
		return nil
	}
	for _, e := range events {
		if err := onEvent(e.method, e.params); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the connection (1000). Every pending call ends with ErrClosed.
func (c *Client) Close() error {
	c.fail(ErrClosed)
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	select {
	case <-c.done:
	case <-time.After(time.Second):
		_ = c.ws.Close()
		<-c.done
	}
	return nil
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection has ended, an ErrClosed; nil while it has not.
func (c *Client) Err() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail keeps the first reason for the end of the connection.
func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

func (c *Client) enter(params json.RawMessage) *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	p := &pending{client: c, id: c.count, params: params, wake: make(chan struct{}, 1)}
	c.calls[p.id] = p
	return p
}

func (c *Client) leave(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

func (c *Client) find(id uint64) *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

// cancel tells the server, without waiting for a network that may be stuck.
func (c *Client) cancel(id uint64) (sent <-chan struct{}) {
	params := json.RawMessage(`{"id":` + strconv.FormatUint(id, 10) + `}`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.conn.Notify(context.Background(), cancelMethod, params) // fails with the connection
	}()
	return done
}

// cancelSoon waits a moment for the cancel to be sent, so that a Close that
// follows does not overtake it: to the server that would be a connection that
// was lost.
func (c *Client) cancelSoon(id uint64) {
	select {
	case <-c.cancel(id):
	case <-time.After(time.Second):
	}
}

// heard keeps the connection: the server has sent something.
func (c *Client) heard() { _ = c.ws.SetReadDeadline(time.Now().Add(3 * c.opts.PingInterval)) }

func (c *Client) ping() {
	ticker := time.NewTicker(c.opts.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.opts.WriteTimeout)) // fails with the connection
		case <-c.done:
			return
		}
	}
}

func fromTyped(e *jsonrpc2.Error) *Error {
	err := &Error{Code: int(e.Code), Message: e.Message}
	if e.Data != nil {
		err.Data = *e.Data
	}
	return err
}

// encodeParams gives the JSON of params, nil for none.
func encodeParams(params any) (json.RawMessage, error) {
	if params == nil {
		return nil, nil
	}
	enc := newEncoder()
	defer enc.free()
	data, err := enc.encode(params)
	if err != nil {
		return nil, fmt.Errorf("encode the params: %w", err)
	}
	return bytes.Clone(data), nil
}

func decodeResult(data json.RawMessage, result any) error {
	switch to := result.(type) {
	case nil:
		return nil
	case *json.RawMessage:
		*to = data
		return nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return fmt.Errorf("decode the result: %w", err)
	}
	return nil
}
