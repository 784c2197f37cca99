package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// DialOptions say how to connect. A nil *DialOptions and zero fields mean the
// defaults, which each field names.
type DialOptions struct {
	Header    http.Header // of the handshake: Authorization, say
	TLS       *tls.Config // for wss
	ReadLimit int         // bytes of a message from the server, 32 MiB
	MaxEvents int         // bytes of one call's notifications that wait to be handled, 4 MiB

	WriteTimeout time.Duration // how long a write may make no progress, 10 s
	PingInterval time.Duration // between two pings, 20 s; a server that is silent for three is gone
}

func (o *DialOptions) withDefaults() DialOptions {
	var opts DialOptions
	if o != nil {
		opts = *o
	}
	orDefault(&opts.ReadLimit, 32*mib)
	orDefault(&opts.MaxEvents, 4*mib)
	orDefault(&opts.WriteTimeout, 10*time.Second)
	orDefault(&opts.PingInterval, 20*time.Second)
	return opts
}

// HandshakeError says that the server answered the handshake, and refused it.
type HandshakeError struct {
	Status int    // of HTTP
	Body   string // the beginning of what it said
}

// Error gives the status and what the server said.
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("the server refused the connection: %d %s", e.Status, http.StatusText(e.Status))
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// Dial connects to a server: ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, or
// unix:///PATH for a Unix socket. The ctx bounds the handshake only. A server
// that refuses it gives a *HandshakeError.
func Dial(ctx context.Context, address string, opts *DialOptions) (*Client, error) {
	o := opts.withDefaults()
	target, socket, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	d := dialing{timeout: o.WriteTimeout, socket: socket}
	dialer := websocket.Dialer{
		NetDialContext:  d.dial,
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: o.TLS,
		Subprotocols:    []string{"jsonrpc"},
		ReadBufferSize:  4 * kib,
		WriteBufferSize: writeBuffer,
	}
	if socket != "" {
		dialer.Proxy = nil
	}
	stop := context.AfterFunc(ctx, d.interrupt)
	ws, resp, err := dialer.DialContext(ctx, target, o.Header)
	if !stop() && err == nil {
		_ = ws.Close()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, dialError(ctx, address, resp, err)
	}
	return newClient(ws, &o), nil
}

// parseAddress gives the URL of the handshake, and the Unix socket if it is
// one.
func parseAddress(address string) (target, socket string, err error) {
	u, err := url.Parse(address)
	switch {
	case err != nil: // HOST:PORT is no URL to it
	case u.Scheme == "unix" && u.Host == "" && u.Path != "":
		return "ws://localhost/", u.Path, nil
	case (u.Scheme == "ws" || u.Scheme == "wss") && u.Host != "":
		return address, "", nil
	}
	return "", "", fmt.Errorf("%q is not an address: it must be ws://HOST:PORT, wss://HOST:PORT or unix:///PATH", address)
}

func dialError(ctx context.Context, address string, resp *http.Response, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: %w", address, ctx.Err())
	case resp == nil:
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	body, _ := io.ReadAll(resp.Body) // gorilla has kept its beginning
	return &HandshakeError{Status: resp.StatusCode, Body: strings.TrimSpace(string(body))}
}

// dialing makes the network connection of one handshake.
type dialing struct {
	timeout time.Duration
	socket  string
	conn    atomic.Pointer[link]
}

func (d *dialing) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.socket != "" {
		network, address = "unix", d.socket
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l := newLink(conn, d.timeout)
	d.conn.Store(l)
	if ctx.Err() != nil {
		d.interrupt()
	}
	return l, nil
}

// interrupt ends a handshake whose ctx has ended.
func (d *dialing) interrupt() {
	if conn := d.conn.Load(); conn != nil {
		_ = conn.Close()
	}
}
