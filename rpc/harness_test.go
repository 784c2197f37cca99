package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// table is a Handler made of functions, by method. Each runs as a call of its
// own; a name that ends in ~ is that of a stream.
type table map[string]func(ctx context.Context, call *Call) (any, error)

func (t table) Accept(call *Call) (Job, error) {
	for suffix, stream := range map[string]bool{"": false, "~": true} {
		if run, ok := t[call.Method()+suffix]; ok {
			return Job{Stream: stream, Run: func(ctx context.Context) (any, error) { return run(ctx, call) }}, nil
		}
	}
	return Job{}, MethodNotFound(fmt.Sprintf("there is no method %q", call.Method()))
}

// served is a Server behind a real listener.
type served struct {
	*Server
	url  string
	http *httptest.Server
}

// serve starts a server whose every connection has the handler. The test fails
// if Shutdown cannot end them all.
func serve(t testing.TB, opts *Options, h Handler) *served {
	t.Helper()
	s := &served{Server: NewServer(opts)}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = s.Upgrade(w, r, h) // the tests that are about refusals look at the answer
	}))
	s.url = "ws" + strings.TrimPrefix(s.http.URL, "http") + "/"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		s.http.Close()
	})
	return s
}

// peer is a client that sends and reads frames as they are.
type peer struct {
	t testing.TB
	*websocket.Conn
}

func (s *served) dial(t testing.TB) *peer {
	t.Helper()
	return dialPeer(t, s.url, websocket.DefaultDialer)
}

func dialPeer(t testing.TB, url string, dialer *websocket.Dialer) *peer {
	t.Helper()
	ws, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return &peer{t, ws}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// receive gives the next frame.
func (p *peer) receive() string {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	_, text, err := p.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *peer) expect(want string) {
	p.t.Helper()
	if got := p.receive(); got != want {
		p.t.Fatalf("received %s\n    want %s", got, want)
	}
}

// closed waits for the end of the connection and gives the code of its Close
// frame, 0 if there was none.
func (p *peer) closed() int {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	for {
		_, _, err := p.ReadMessage()
		var closed *websocket.CloseError
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &closed):
			return closed.Code
		case errors.As(err, &timeout) && timeout.Timeout():
			p.t.Fatal("the connection was not closed")
		default:
			return 0
		}
	}
}

// connect gives a client of the server.
func (s *served) connect(t testing.TB, opts *DialOptions) *Client {
	t.Helper()
	c, err := Dial(t.Context(), s.url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// await waits until a condition holds that nothing announces.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// received waits for something to come through a channel.
func received[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("did not come: %s", what)
		panic("not reached")
	}
}

// waitForEnd is a method that lasts until it is cancelled.
func waitForEnd(ctx context.Context, _ *Call) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// echo is a method that gives its params back.
func echo(_ context.Context, call *Call) (any, error) { return call.Params(), nil }

// request is the text of a request.
func request(id any, method string, params any) string {
	text, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	return string(text)
}

// resultOf is the response with a result.
func resultOf(v any) *jsonrpc2.Response {
	data, _ := json.Marshal(v)
	return &jsonrpc2.Response{Result: (*json.RawMessage)(&data)}
}
