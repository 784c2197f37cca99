package rpc

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// inBubble runs a test with a server whose time is that of the test alone: it
// jumps as soon as nobody has anything to do. The connections are pipes, which
// hold nothing that was not read.
func inBubble(t *testing.T, opts *Options, h Handler, test func(t *testing.T, s *piped)) {
	synctest.Test(t, func(t *testing.T) {
		s := &piped{Server: NewServer(opts), conns: make(chan net.Conn), closed: make(chan struct{})}
		served := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, h) })}
		go func() { _ = served.Serve(s) }()
		test(t, s)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		_ = served.Close()
	})
}

// piped is a Server and its listener.
type piped struct {
	*Server
	conns  chan net.Conn
	closed chan struct{}
}

// Accept implements net.Listener.
func (p *piped) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (p *piped) Addr() net.Addr { return &net.TCPAddr{} }

// Close implements net.Listener.
func (p *piped) Close() error {
	close(p.closed)
	return nil
}

func (p *piped) dial(t *testing.T, path string) *peer {
	t.Helper()
	return dialPeer(t, "ws://localhost"+path, &websocket.Dialer{NetDial: func(string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		p.conns <- theirs
		return ours, nil
	}})
}

// readOn has what comes read until the connection ends. Pings are answered so.
func (p *peer) readOn() (ended <-chan error) {
	done := make(chan error, 1)
	go func() {
		for {
			if _, _, err := p.ReadMessage(); err != nil {
				done <- err
				return
			}
		}
	}()
	return done
}

func TestAPeerThatAnswersPingsStaysForAWeek(t *testing.T) {
	inBubble(t, nil, table{"echo": echo}, func(t *testing.T, s *piped) {
		p := s.dial(t, "/")
		ended := p.readOn()
		time.Sleep(7 * 24 * time.Hour)
		select {
		case err := <-ended:
			t.Errorf("it ended: %v", err)
		default:
		}
		_ = p.Close()
	})
}

func TestASilentPeerIsGoneAfterThreePings(t *testing.T) {
	inBubble(t, nil, table{}, func(t *testing.T, s *piped) {
		p := s.dial(t, "/")
		p.SetPingHandler(func(string) error { return nil })
		p.readOn()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if n := s.Stats().Connections; n != 1 {
			t.Errorf("there are %d connections before the third ping was due", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := s.Stats().Connections; n != 0 {
			t.Errorf("there are %d connections afterwards", n)
		}
	})
}

func TestAPeerThatReadsNothingIsGoneTenSecondsAfterItWasWrittenTo(t *testing.T) {
	inBubble(t, nil, table{"echo": echo}, func(t *testing.T, s *piped) {
		p := s.dial(t, "/")
		p.send(request(1, "echo", nil)) // the answer is not read
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if n := s.Stats().Connections; n != 1 {
			t.Errorf("there are %d connections while it may still read", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := s.Stats().Connections; n != 0 {
			t.Errorf("there are %d connections afterwards", n)
		}
	})
}

// A machine that was suspended finds all its timers due at once.
func TestACallThatTookAnHourIsAnsweredBeforeCloseIdleEnds(t *testing.T) {
	h := table{"slow": func(ctx context.Context, _ *Call) (any, error) {
		time.Sleep(time.Hour)
		return "done", nil
	}}
	inBubble(t, nil, h, func(t *testing.T, s *piped) {
		p := s.dial(t, "/?close=idle")
		p.send(request(1, "slow", nil))
		if _, answer, err := p.ReadMessage(); err != nil || string(answer) != `{"jsonrpc":"2.0","id":1,"result":"done"}` {
			t.Errorf("it was answered with %s, %v", answer, err)
		}
		begin := time.Now()
		if err := <-p.readOn(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("it ended with %v", err)
		}
		if after := time.Since(begin); after != 100*time.Millisecond {
			t.Errorf("it ended %v after the answer", after)
		}
	})
}
