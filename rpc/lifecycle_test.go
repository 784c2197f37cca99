package rpc

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestCloseIdleEndsAfterTheLastAnswer(t *testing.T) {
	s := serve(t, &Options{IdleGrace: 20 * time.Millisecond}, table{"hang": waitForEnd, "echo": echo})
	p := dialPeer(t, s.url+"?close=idle", websocket.DefaultDialer)
	p.send(request(1, "hang", nil))
	p.send(request(2, "echo", []int{2}))
	p.expect(`{"jsonrpc":"2.0","id":2,"result":[2]}`)
	p.send(request(3, "$/cancelRequest", []int{1}))
	p.expectAll([]string{
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32800,"message":"Request cancelled"}}`,
		`{"jsonrpc":"2.0","id":3,"result":true}`,
	})
	if code := p.closed(); code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d", code)
	}
}

func TestCloseIdleWaitsForTheFirstMessageAndCountsEveryKind(t *testing.T) {
	s := serve(t, &Options{IdleGrace: 20 * time.Millisecond}, table{"echo": echo})
	for _, message := range []string{"", "{}", "[]", `{"jsonrpc":"2.0","method":"echo"}`, `{"jsonrpc":"2.0","method":"none"}`, `{"result":1}`} {
		p := dialPeer(t, s.url+"?close=idle", websocket.DefaultDialer)
		_ = p.SetReadDeadline(time.Now().Add(60 * time.Millisecond))
		if _, _, err := p.ReadMessage(); !strings.Contains(err.Error(), "timeout") {
			t.Fatalf("before the first message: %v", err)
		}
		p = dialPeer(t, s.url+"?close=idle", websocket.DefaultDialer)
		p.send(message)
		if code := p.closed(); code != websocket.CloseNormalClosure {
			t.Errorf("%s: closed with %d", message, code)
		}
	}
}

func TestShutdownCloses1001AndWaitsForCalls(t *testing.T) {
	running, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, nil, table{"slow": func(context.Context, *Call) (any, error) {
		close(running)
		<-finish // what must be finished whatever happens
		return nil, nil
	}})
	p := s.dial(t)
	p.send(request(1, "slow", nil))
	received(t, running, "the call")
	done := make(chan error)
	go func() { done <- s.Shutdown(t.Context()) }()
	if code := p.closed(); code != websocket.CloseGoingAway {
		t.Errorf("closed with %d", code)
	}
	select {
	case <-done:
		t.Error("Shutdown did not wait for the call")
	case <-time.After(20 * time.Millisecond):
	}
	close(finish)
	if err := received(t, done, "Shutdown's return"); err != nil {
		t.Error(err)
	}
	_, resp, err := websocket.DefaultDialer.Dial(s.url, nil)
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Shutdown: %v, %v", resp, err)
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	s := serve(t, &Options{CloseGrace: time.Hour}, table{})
	p := s.dial(t) // which does not answer the Close, for nobody reads
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if code := p.closed(); code != websocket.CloseGoingAway {
		t.Errorf("closed with %d", code)
	}
}

func TestPeersCloseIsEchoed(t *testing.T) {
	s := serve(t, nil, table{})
	for _, code := range []int{websocket.CloseNormalClosure, websocket.CloseGoingAway, 4000, websocket.CloseNoStatusReceived} {
		p := s.dial(t)
		if err := p.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "bye"), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if got := p.closed(); got != code {
			t.Errorf("closed with %d, want %d", got, code)
		}
	}
	await(t, "all are gone", func() bool { return s.Stats().Connections == 0 })
}

func TestProtocolErrorCloses1002(t *testing.T) {
	s := serve(t, nil, table{})
	p := s.dial(t)
	if _, err := p.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0}); err != nil { // opcode 3 is reserved
		t.Fatal(err)
	}
	if code := p.closed(); code != websocket.CloseProtocolError {
		t.Errorf("closed with %d", code)
	}
}

func TestCallsEndWithTheirConnection(t *testing.T) {
	running, ended := make(chan struct{}), make(chan struct{})
	s := serve(t, nil, table{"hang": func(ctx context.Context, _ *Call) (any, error) {
		close(running)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}})
	p := s.dial(t)
	p.send(request(1, "hang", nil))
	received(t, running, "the call")
	_ = p.NetConn().Close()
	received(t, ended, "the end of its context")
}

func TestPingsAreAnsweredInKind(t *testing.T) {
	s := serve(t, nil, table{"echo": echo})
	p := s.dial(t)
	pongs := make(chan string, 2)
	p.SetPongHandler(func(data string) error { pongs <- data; return nil })
	for _, data := range []string{"", "are you there?"} {
		if err := p.WriteControl(websocket.PingMessage, []byte(data), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		p.send(request(1, "echo", nil)) // reading needs something to return
		for len(pongs) == 0 {
			p.receive()
			if len(pongs) == 0 {
				p.send(request(1, "echo", nil))
			}
		}
		if got := <-pongs; got != data {
			t.Errorf("pong %q", got)
		}
	}
}

func TestSilentPeerIsGone(t *testing.T) {
	s := serve(t, &Options{PingInterval: 20 * time.Millisecond, CloseGrace: 10 * time.Millisecond}, table{})
	p := s.dial(t)
	p.SetPingHandler(func(string) error { return nil })             // no ping is answered
	if code := p.closed(); code != websocket.CloseAbnormalClosure { // there was no Close frame
		t.Errorf("closed with %d", code)
	}
	await(t, "it is gone", func() bool { return s.Stats().Connections == 0 })
}

func TestSubprotocolIsChosenWhenOffered(t *testing.T) {
	s := serve(t, nil, table{})
	for _, offered := range [][]string{{"jsonrpc", "bearer.c2VjcmV0"}, {"other", "jsonrpc"}} {
		p := dialPeer(t, s.url, &websocket.Dialer{Subprotocols: offered})
		if got := p.Subprotocol(); got != "jsonrpc" {
			t.Errorf("offered %q: chosen %q", offered, got)
		}
	}
}

func TestNothingIsSentBeforeTheFirstRequestAndNothingCompressed(t *testing.T) {
	s := serve(t, nil, table{})
	ws, resp, err := (&websocket.Dialer{EnableCompression: true}).Dial(s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if got := resp.Header.Get("Sec-Websocket-Extensions"); got != "" {
		t.Errorf("extensions %q", got)
	}
	_ = ws.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, text, err := ws.ReadMessage(); err == nil {
		t.Errorf("received %s", text)
	}
}
