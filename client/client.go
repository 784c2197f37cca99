// Package client talks to a dockwire daemon.
//
// The zero Client finds the daemon of this machine:
//
//	var c client.Client
//	defer c.Close()
//	containers, err := c.List(ctx)
//
// There is one method for each of the daemon's. Those that stream are
// sequences, which end with the loop or with their context:
//
//	for output, err := range c.FollowLogs(ctx, "prodbackend", api.LogsParams{}) {
//		if err != nil {
//			return err
//		}
//		for _, line := range output.Lines {
//			fmt.Println(line.Text)
//		}
//	}
//
// A context that ends cancels its call at the daemon too. Streams outlive a
// broken connection: they are taken up again where they were, without a lost or
// a repeated line. Calls that only read are repeated; a call that changes
// something is not, and its error is then ErrLost.
//
// What the daemon answers as an error is an *api.Error, of which errors.Is asks
// the code: errors.Is(err, api.CodeNotFound).
package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

// Client is a connection to a daemon, made when it is first needed and made
// anew when it breaks. Its zero value is ready for use. Its methods may be
// called from several goroutines at once; they share the connection.
type Client struct {
	// URL is where the daemon listens: ws://HOST:PORT, wss://HOST:PORT or
	// unix:///PATH. When empty it is DOCKWIRE_URL, else the daemon's Unix socket
	// in $XDG_RUNTIME_DIR or /run, else ws://127.0.0.1:7420.
	URL string

	// Token is the secret that the daemon wants to see. When empty it is what
	// the file TokenFile holds, else DOCKWIRE_TOKEN, else what the file
	// DOCKWIRE_TOKEN_FILE holds, else, for a daemon on this machine, the admin
	// token in the daemon's state directory, which DOCKWIRE_STATE_DIR may name.
	// A Unix socket needs none.
	Token     string
	TokenFile string

	// TLS is used for wss; nil is the default configuration.
	TLS *tls.Config

	// OnLost, if it is not nil, is told why a stream stands still: its
	// connection broke, and it is about to be taken up again. Any goroutine may
	// call it.
	OnLost func(err error)

	mu      sync.Mutex // guards what follows
	conn    *rpc.Client
	dialing chan struct{} // closed when somebody's attempt to connect is over
	closed  bool
}

var (
	// ErrUnreachable is in the error of a call for which no daemon could be
	// connected to.
	ErrUnreachable = errors.New("cannot reach the daemon")

	// ErrRefused is in the error of a call whose connection the daemon turned
	// down, because of its token, say.
	ErrRefused = errors.New("the daemon refused the connection")

	// ErrLost is in the error of a call that changes something, when the
	// connection broke before the answer came: it may have been done or not.
	ErrLost = errors.New("the connection broke before the answer came")

	// ErrSlow is in the error of a Call whose onEvent was too slow for the events
	// that came. Streams that are sequences take themselves up again instead.
	ErrSlow = errors.New("the events were not taken fast enough")

	// ErrClosed is the error of calls after Close.
	ErrClosed = errors.New("the client is closed")
)

// Close closes the connection, which ends all calls; calls made later fail with
// ErrClosed. Builds go on at the daemon.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// Call calls any method and puts its answer into result, unless that is nil. An
// event of the call goes to onEvent, which may be nil, before Call returns; an
// error of onEvent cancels the call. Call is never repeated, and of a stream
// takes nothing up again.
func (c *Client) Call(ctx context.Context, method string, params, result any, onEvent func(method string, params json.RawMessage) error) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	return c.explain(method, conn.Call(ctx, method, params, result, onEvent))
}

// connect gives the connection, or makes one. Only one caller dials at a time;
// the others wait for it.
func (c *Client) connect(ctx context.Context) (*rpc.Client, error) {
	for {
		conn, wait, err := c.current()
		if conn != nil || err != nil {
			return conn, err
		}
		if wait == nil {
			break
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	conn, err := c.dial(ctx)
	return c.settle(conn, err)
}

// current gives the connection if it lives, else what to wait for while
// somebody dials. If both are nil the caller is the one who dials, and must
// settle.
func (c *Client) current() (conn *rpc.Client, wait <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	if c.conn != nil {
		select {
		case <-c.conn.Done():
			c.conn = nil
		default:
			return c.conn, nil, nil
		}
	}
	if c.dialing != nil {
		return nil, c.dialing, nil
	}
	c.dialing = make(chan struct{})
	return nil, nil, nil
}

func (c *Client) settle(conn *rpc.Client, err error) (*rpc.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.dialing)
	c.dialing = nil
	if err != nil {
		return nil, err
	}
	if c.closed {
		conn.Close()
		return nil, ErrClosed
	}
	c.conn = conn
	return conn, nil
}

// explain makes an error of rpc one of this package or of api.
func (c *Client) explain(method string, err error) error {
	var answered *rpc.Error
	switch {
	case errors.As(err, &answered):
		return apiError(answered)
	case errors.Is(err, rpc.ErrSlow):
		return fmt.Errorf("%s: %w", method, ErrSlow)
	case errors.Is(err, rpc.ErrClosed):
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed {
			return ErrClosed
		}
		return fmt.Errorf("%s: %w: %v", method, ErrLost, err) // why is for a person only
	}
	return err
}

func apiError(e *rpc.Error) *api.Error {
	told := &api.Error{Code: api.Code(e.Code), Message: e.Message}
	raw, err := json.Marshal(e.Data)
	if err != nil || e.Data == nil {
		return told
	}
	var data api.ErrorData
	if json.Unmarshal(raw, &data) == nil { // data of another shape than ours says nothing to us
		told.Data = &data
	}
	return told
}
