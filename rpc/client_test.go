package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clientMethods are what the client's tests call.
var clientMethods = table{
	"echo":  echo,
	"hang":  waitForEnd,
	"plain": func(context.Context, *Call) (any, error) { return nil, errors.New("a secret") },
	"conflict": func(context.Context, *Call) (any, error) {
		return nil, &Error{-32002, "Conflict: taken", map[string]string{"name": "x"}}
	},
	"count~": count,
}

func TestConcurrentCallsGetTheirOwnAnswers(t *testing.T) {
	c := serve(t, nil, clientMethods).connect(t, nil)
	var calls sync.WaitGroup
	for i := range 50 {
		calls.Go(func() {
			var got []string
			sent := []string{fmt.Sprint(i), "<&>\u2028"}
			if err := c.Call(t.Context(), "echo", sent, &got, nil); err != nil || len(got) != 2 || got[0] != sent[0] || got[1] != sent[1] {
				t.Errorf("call %d: %q, %v", i, got, err)
			}
		})
	}
	calls.Wait()
}

func TestResultsOfEveryKindAreDecoded(t *testing.T) {
	c := serve(t, nil, clientMethods).connect(t, nil)
	var raw json.RawMessage
	if err := c.Call(t.Context(), "echo", json.RawMessage(`{"a": [1]}`), &raw, nil); err != nil || string(raw) != `{"a": [1]}` {
		t.Errorf("raw: %s, %v", raw, err)
	}
	var named struct{ A []int }
	if err := c.Call(t.Context(), "echo", map[string]any{"a": []int{2}}, &named, nil); err != nil || named.A[0] != 2 {
		t.Errorf("named: %v, %v", named, err)
	}
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Errorf("none: %v", err)
	}
	var wrong int
	if err := c.Call(t.Context(), "echo", []string{"x"}, &wrong, nil); err == nil {
		t.Error("a result of another type: no error")
	}
	if err := c.Call(t.Context(), "echo", func() {}, nil, nil); err == nil {
		t.Error("params that cannot be encoded: no error")
	}
	if err := c.Call(t.Context(), "echo", []int{1}, &raw, nil); err != nil {
		t.Errorf("the connection after these: %v", err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	c := serve(t, nil, clientMethods).connect(t, nil)
	for method, want := range map[string]Error{
		"conflict": {-32002, "Conflict: taken", json.RawMessage(`{"name":"x"}`)},
		"plain":    {CodeInternal, "Internal error", nil},
		"none":     {CodeMethodNotFound, "Method not found", json.RawMessage(`{"reason":"there is no method \"none\""}`)},
	} {
		err := c.Call(t.Context(), method, nil, nil, nil)
		got, ok := errors.AsType[*Error](err)
		if !ok || got.Code != want.Code || got.Message != want.Message || fmt.Sprint(got.Data) != fmt.Sprint(want.Data) {
			t.Errorf("%s: %#v", method, err)
		}
	}
	if err := c.Call(t.Context(), "none", nil, nil, nil); err.Error() != `Method not found: there is no method "none"` {
		t.Error(err)
	}
}

func TestEventsComeInOrderBeforeTheResult(t *testing.T) {
	c := serve(t, nil, clientMethods).connect(t, nil)
	var calls sync.WaitGroup
	for range 5 {
		calls.Go(func() {
			var text strings.Builder
			result := 0
			err := c.Call(t.Context(), "count", []int{9}, &result, func(method string, params json.RawMessage) error {
				var p struct{ Seq int }
				err := json.Unmarshal(params, &p)
				fmt.Fprint(&text, method[:1], p.Seq)
				return err
			})
			if err != nil || result != 9 || text.String() != "c1c2c3c4c5c6c7c8c9" {
				t.Errorf("%s, then %d, %v", text.String(), result, err)
			}
		})
	}
	calls.Wait()
}

func TestContextCancelsTheCallOnTheServer(t *testing.T) {
	running, ended := make(chan struct{}), make(chan error, 1)
	s := serve(t, nil, table{"echo": echo, "hang": func(ctx context.Context, _ *Call) (any, error) {
		close(running)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	c := s.connect(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	if err := c.Call(ctx, "hang", nil, nil, nil); err != context.Canceled {
		t.Errorf("Call: %v", err)
	}
	received(t, ended, "the cancel")
	if err := c.Call(ctx, "echo", nil, nil, nil); err != context.Canceled {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// endless is a stream that ends only when it is cancelled; then it says so.
func endless(ended chan<- struct{}) table {
	return table{"echo": echo, "follow~": func(ctx context.Context, call *Call) (any, error) {
		for {
			if err := call.Notify(ctx, "event", []byte(`"text":"`+strings.Repeat("x", 1000)+`"`)); err != nil {
				close(ended)
				return nil, err
			}
		}
	}}
}

func TestSlowConsumerEndsItsCallOnly(t *testing.T) {
	ended, handled := make(chan struct{}), 0
	c := serve(t, nil, endless(ended)).connect(t, &DialOptions{MaxEvents: 100 * kib})
	err := c.Call(t.Context(), "follow", nil, nil, func(string, json.RawMessage) error {
		if handled++; handled == 1 {
			received(t, ended, "the cancel") // this consumer is slow indeed
		}
		return nil
	})
	if err != ErrSlow || handled < 90 {
		t.Errorf("Call: %v, after %d notifications", err, handled)
	}
	if err := c.Call(t.Context(), "echo", nil, nil, nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestErrorOfTheConsumerEndsTheCall(t *testing.T) {
	ended, enough := make(chan struct{}), errors.New("enough")
	c := serve(t, nil, endless(ended)).connect(t, nil)
	err := c.Call(t.Context(), "follow", nil, nil, func(string, json.RawMessage) error { return enough })
	if err != enough {
		t.Errorf("Call: %v", err)
	}
	received(t, ended, "the cancel")
}

func TestLostConnectionEndsEveryCall(t *testing.T) {
	s := serve(t, nil, clientMethods)
	c := s.connect(t, nil)
	results := make(chan error, 3)
	for range 3 {
		go func() { results <- c.Call(t.Context(), "hang", nil, nil, nil) }()
	}
	await(t, "they run", func() bool { return s.Stats().Calls == 3 })
	if c.Err() != nil {
		t.Errorf("before the end: %v", c.Err())
	}
	s.http.CloseClientConnections()
	s.mu.Lock()
	for session := range s.sessions {
		_ = session.ws.NetConn().Close()
	}
	s.mu.Unlock()
	for range 3 {
		if err := received(t, results, "the end of a call"); !errors.Is(err, ErrClosed) {
			t.Errorf("Call: %v", err)
		}
	}
	received(t, c.Done(), "Done")
	if err := c.Call(t.Context(), "echo", nil, nil, nil); !errors.Is(err, ErrClosed) || !errors.Is(c.Err(), ErrClosed) {
		t.Errorf("afterwards: %v, %v", err, c.Err())
	}
}

func TestCloseEndsCallsAndTheServerSeesIt(t *testing.T) {
	s := serve(t, nil, clientMethods)
	c := s.connect(t, nil)
	result := make(chan error)
	go func() { result <- c.Call(t.Context(), "hang", nil, nil, nil) }()
	await(t, "it runs", func() bool { return s.Stats().Calls == 1 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := received(t, result, "the end of the call"); !errors.Is(err, ErrClosed) {
		t.Errorf("Call: %v", err)
	}
	await(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
	_ = c.Close() // again is fine
}

func TestClientNoticesASilentServer(t *testing.T) {
	s := serve(t, nil, clientMethods)
	block := make(chan struct{})
	s.Server.upgrader.CheckOrigin = func(*http.Request) bool { return true }
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go forwardHandshake(silent, s.http.Listener.Addr().String(), block)
	defer close(block)
	c, err := Dial(t.Context(), "ws://"+silent.Addr().String()+"/", &DialOptions{PingInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	received(t, c.Done(), "the end of the connection")
}

// forwardHandshake passes on what the first two reads give, and then nothing.
func forwardHandshake(listener net.Listener, to string, block <-chan struct{}) {
	client, err := listener.Accept()
	if err != nil {
		return
	}
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	buf := make([]byte, 4096)
	n, _ := client.Read(buf)
	_, _ = server.Write(buf[:n])
	n, _ = server.Read(buf)
	_, _ = client.Write(buf[:n])
	<-block
}

func TestDialReachesUnixSocketsAndTLS(t *testing.T) {
	s := serve(t, nil, clientMethods)
	socket := filepath.Join(t.TempDir(), "dockwire.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { _ = http.Serve(listener, s.http.Config.Handler) }()
	secure := httptest.NewTLSServer(s.http.Config.Handler)
	defer secure.Close()
	for address, opts := range map[string]*DialOptions{
		"unix://" + socket: nil,
		"wss" + strings.TrimPrefix(secure.URL, "https"): {TLS: secure.Client().Transport.(*http.Transport).TLSClientConfig},
	} {
		c, err := Dial(t.Context(), address, opts)
		if err != nil {
			t.Fatal(err)
		}
		large := []string{strings.Repeat("x", 500_000)}
		if err := c.Call(t.Context(), "echo", large, &large, nil); err != nil || len(large[0]) != 500_000 {
			t.Errorf("%s: %v", address, err)
		}
		_ = c.Close()
	}
}

func TestRefusedHandshakeSaysWhy(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "show a token", http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	_, err := Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http"), nil)
	refused, ok := errors.AsType[*HandshakeError](err)
	if !ok || refused.Status != 401 || refused.Body != "show a token" {
		t.Errorf("Dial: %v", err)
	}
	_, err = Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http"), &DialOptions{Header: http.Header{"Authorization": {"Bearer secret"}}})
	if refused, ok = errors.AsType[*HandshakeError](err); !ok || refused.Status != 200 {
		t.Errorf("with the token: %v", err)
	}
}

func TestDialFailsSoonAndClearly(t *testing.T) {
	for _, address := range []string{"", "localhost:1", "127.0.0.1:1", "http://localhost", "unix:", "unix://run/a.sock", "ws://"} {
		if _, err := Dial(t.Context(), address, nil); err == nil || !strings.Contains(err.Error(), "it must be ws://HOST:PORT") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"ws://127.0.0.1:1/", "unix:///nowhere/at/all"} {
		if _, err := Dial(t.Context(), address, nil); err == nil {
			t.Errorf("%q: no error", address)
		}
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := Dial(ctx, "ws://"+silent.Addr().String(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a server that says nothing: %v", err)
	}
}
