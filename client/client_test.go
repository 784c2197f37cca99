package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

var list = func(context.Context, *rpc.Call) (any, error) {
	return []api.Container{{Name: "game", State: api.StateRunning}}, nil
}

func TestManyCallsShareOneConnection(t *testing.T) {
	c, p := serve(t, methods{"list": list})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			containers, err := c.List(t.Context())
			if err != nil || states(containers) != "game running" {
				t.Errorf("the list is %v, %v", containers, err)
			}
		})
	}
	all.Wait()
	if n := p.opened.Load(); n != 1 {
		t.Errorf("%d connections were made for them", n)
	}
}

func TestEveryMethodSendsItsParametersByName(t *testing.T) {
	got := make(chan string, 1)
	echo := func(_ context.Context, call *rpc.Call) (any, error) {
		got <- call.Method() + string(call.Params())
		return nil, nil
	}
	c, _ := serve(t, methods{
		"create": echo, "list": echo, "images": echo, "builds": echo, "remove": echo, "removeImage": echo, "cancelBuild": echo, "game/diff": echo, "game/image": echo,
		"game/inspect": echo, "game/logs": echo, "game/restart": echo, "game/start": echo, "game/stop": echo, "game/top": echo,
	})
	ctx := t.Context()
	timeout, port := 2.5, 0
	for want, call := range map[string]func() (any, error){
		`create{"image":"i","name":"game","environment":{"K":"<v>"},"port":0}`: func() (any, error) {
			return c.Create(ctx, api.CreateParams{Image: "i", Name: "game", Environment: map[string]string{"K": "<v>"}, Port: &port})
		},
		`list{}`:                   func() (any, error) { return c.List(ctx) },
		`images{}`:                 func() (any, error) { return c.Images(ctx) },
		`builds{}`:                 func() (any, error) { return c.Builds(ctx) },
		`remove{"name":"game"}`:    func() (any, error) { return c.Remove(ctx, api.RemoveParams{Name: "game"}) },
		`removeImage{"name":"i"}`:  func() (any, error) { return c.RemoveImage(ctx, "i") },
		`cancelBuild{"id":"b1"}`:   func() (any, error) { return c.CancelBuild(ctx, "b1") },
		`game/diff{"path":"/a"}`:   func() (any, error) { return c.Diff(ctx, "game", api.DiffParams{Path: "/a"}) },
		`game/image{}`:             func() (any, error) { return c.Image(ctx, "game") },
		`game/inspect{}`:           func() (any, error) { return c.Inspect(ctx, "game") },
		`game/logs{"tail":5}`:      func() (any, error) { return c.Logs(ctx, "game", api.LogsParams{Tail: api.TailLines(5), Follow: true}) },
		`game/restart{}`:           func() (any, error) { return c.Restart(ctx, "game", api.StopParams{}) },
		`game/start{}`:             func() (any, error) { return c.Start(ctx, "game") },
		`game/stop{"timeout":2.5}`: func() (any, error) { return c.Stop(ctx, "game", api.StopParams{Timeout: &timeout}) },
		`game/top{}`:               func() (any, error) { return c.Top(ctx, "game") },
	} {
		if _, err := call(); err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if sent := <-got; unescaped(t, sent) != unescaped(t, want) {
			t.Errorf("sent %s, want %s", sent, want)
		}
	}
}

// unescaped makes the JSON in a call comparable.
func unescaped(t *testing.T, call string) string {
	t.Helper()
	i := strings.Index(call, "{")
	var params any
	if err := json.Unmarshal([]byte(call[i:]), &params); err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	data, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	return call[:i] + string(data)
}

func TestErrorsTellTheirCodeAndTheirData(t *testing.T) {
	c, _ := serve(t, methods{"create": func(context.Context, *rpc.Call) (any, error) {
		return nil, &rpc.Error{Code: int(api.CodeConflict), Message: "Conflict: there is a container called game; remove it",
			Data: api.ErrorData{Kind: "container", Name: "game"}}
	}})
	_, err := c.Create(t.Context(), api.CreateParams{Image: "i", Name: "game"})
	if !errors.Is(err, api.CodeConflict) || errors.Is(err, api.CodeNotFound) {
		t.Errorf("the error is %v", err)
	}
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Data == nil || answer.Data.Name != "game" {
		t.Errorf("the error says %+v", answer)
	}
	if _, err := c.Start(t.Context(), "nobody"); !errors.Is(err, api.CodeMethodNotFound) ||
		err.Error() != "Method not found: there is no method nobody/start" {
		t.Errorf("the error of an unknown method is %v", err)
	}
}

func TestAContextThatEndsCancelsTheCallAtTheDaemon(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan struct{})
	c, _ := serve(t, methods{"game/stop": func(ctx context.Context, _ *rpc.Call) (any, error) {
		cancel()
		<-ctx.Done()
		close(cancelled)
		return nil, ctx.Err()
	}, "list": list})
	if _, err := c.Stop(ctx, "game", api.StopParams{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	soon(t, "the cancel at the daemon", cancelled)
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("the connection is of no use afterwards: %v", err)
	}
}

func TestACancelReachesTheDaemonBeforeTheEndOfTheConnection(t *testing.T) {
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := make(chan bool, 1)
		c, _ := serve(t, methods{"build": func(ctx context.Context, call *rpc.Call) (any, error) {
			cancel()
			<-ctx.Done()
			cancelled <- call.Cancelled()
			return nil, ctx.Err()
		}})
		if _, err := c.Build(ctx, api.BuildParams{}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		c.Close()
		if !<-cancelled {
			t.Fatal("to the daemon it looks like a lost connection, in which a build goes on")
		}
	}
}

func TestAReadIsRepeatedAndAChangeIsNot(t *testing.T) {
	var p *proxy
	var reads, changes atomic.Int32
	c, p := serve(t, methods{
		"list": func(ctx context.Context, call *rpc.Call) (any, error) {
			if reads.Add(1) < 3 {
				p.cut()
			}
			return list(ctx, call)
		},
		"game/restart": func(ctx context.Context, _ *rpc.Call) (any, error) {
			changes.Add(1)
			p.cut()
			<-ctx.Done()
			return nil, nil
		},
	})
	if _, err := c.List(t.Context()); err != nil || reads.Load() != 3 {
		t.Errorf("after %d attempts to read: %v", reads.Load(), err)
	}
	_, err := c.Restart(t.Context(), "game", api.StopParams{})
	if !errors.Is(err, client.ErrLost) || changes.Load() != 1 {
		t.Errorf("after %d changes: %v", changes.Load(), err)
	}
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("no new connection is made: %v", err)
	}
}

func TestALostConnectionSaysWhyItWasLost(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		_, _, _ = ws.ReadMessage()
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseMessageTooBig, ""), time.Time{})
		_, _, _ = ws.ReadMessage() // the client's Close
	}))
	defer s.Close()
	c := &client.Client{URL: "ws" + strings.TrimPrefix(s.URL, "http"), Token: "secret"}
	defer c.Close()
	_, err := c.Start(t.Context(), "game")
	if !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "1009 (message too big)") {
		t.Errorf("the error is %v", err)
	}
}

func TestADaemonThatIsNotThereIsAnErrorThatSaysWhatToDo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	c := &client.Client{URL: "ws://" + listener.Addr().String()}
	_, err = c.List(t.Context())
	if !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "dockwire serve") {
		t.Errorf("the error is %v", err)
	}
	for _, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		if !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("the error of a stream is %v", err)
		}
	}
}

func TestARefusalSaysWhatTheDaemonSaid(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the token is not known", http.StatusUnauthorized)
	}))
	defer s.Close()
	c := &client.Client{URL: "ws" + strings.TrimPrefix(s.URL, "http"), Token: "wrong"}
	_, err := c.List(t.Context())
	if !errors.Is(err, client.ErrRefused) || errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "the token is not known") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheTokenIsShownOverTLS(t *testing.T) {
	s := server(t, methods{"list": list})
	upgrade, shown := s.Config.Handler, make(chan string, 1)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		upgrade.ServeHTTP(w, r)
	})
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the stranger
	s.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := &client.Client{URL: "wss" + strings.TrimPrefix(s.URL, "https"), Token: "secret", TLS: &tls.Config{RootCAs: roots}}
	defer c.Close()
	if _, err := c.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if token := <-shown; token != "Bearer secret" {
		t.Errorf("the daemon was shown %q", token)
	}
	stranger := &client.Client{URL: c.URL, Token: "secret"}
	if _, err := stranger.List(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
}

func TestTheZeroClientFindsTheUnixSocket(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("DOCKWIRE_URL", "")
	path := filepath.Join(dir, "dockwire", "dockwire.sock")
	s := server(t, methods{"list": list})
	s.Listener.Close()
	s.Listener = listenUnix(t, path)
	s.Start()
	var c client.Client
	defer c.Close()
	if containers, err := c.List(t.Context()); err != nil || len(containers) != 1 {
		t.Errorf("the list is %v, %v", containers, err)
	}
}

func TestACloseEndsCallsAndStreams(t *testing.T) {
	var c *client.Client
	c, _ = serve(t, methods{"game/logs": func(ctx context.Context, call *rpc.Call) (any, error) {
		c.Close()
		<-ctx.Done()
		return nil, nil
	}})
	var last error
	for _, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		last = err
	}
	if !errors.Is(last, client.ErrClosed) {
		t.Errorf("the stream ended with %v", last)
	}
	if _, err := c.List(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("a later call ended with %v", err)
	}
}
