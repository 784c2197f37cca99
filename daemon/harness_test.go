package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/daemon/daemontest"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// patience is how long a test waits for what should come.
const patience = 60 * time.Second

// testDaemon is a daemon that runs in the test's process, on the real engine.
type testDaemon struct {
	t        testing.TB
	URL      string // of the control listener
	Ingress  string
	Token    string
	Instance string
	StateDir string
	log      *daemontest.Log
	stop     func()
}

// runDaemon starts a daemon of an instance of its own. At the end of the test
// it is ended, and nothing of the instance may be left at the engine.
func runDaemon(t testing.TB, change ...func(*Config)) *testDaemon {
	t.Helper()
	log := &daemontest.Log{}
	ready := log.Ready()
	cfg := Config{
		Listen: []string{"127.0.0.1:0"}, Ingress: []string{"127.0.0.1:0"}, StateDir: t.TempDir(),
		Instance: "test-" + random(), AllowGit: []string{"127.0.0.1"}, LogFormat: "json", Stderr: log,
	}
	for _, c := range change {
		c(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	d := &testDaemon{t: t, Instance: cfg.Instance, StateDir: cfg.StateDir, log: log}
	d.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the daemon ended with: %v", err)
			}
		case <-time.After(patience):
			t.Error("the daemon does not end")
		}
	})
	select {
	case at := <-ready:
		d.URL, d.Ingress = at.Listen[0], at.Ingress[0]
	case err := <-ended:
		t.Fatalf("the daemon did not start: %v", err)
	case <-time.After(patience):
		t.Fatal("the daemon does not get ready")
	}
	token, err := os.ReadFile(api.TokenFile(cfg.StateDir))
	if err != nil {
		t.Fatal(err)
	}
	d.Token = strings.TrimSpace(string(token))
	t.Cleanup(func() {
		d.stop()
		enginetest.NothingLeft(t, cfg.Instance)
	})
	return d
}

func random() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// wire is a connection that speaks as a person with wscat would.
type wire struct {
	t    testing.TB
	ws   *websocket.Conn
	id   int
	seen bytes.Buffer // all that was read
}

func (d *testDaemon) dial() *wire {
	d.t.Helper()
	return d.dialAs(d.Token)
}

// dialAs connects with another token than the admin's.
func (d *testDaemon) dialAs(token string) *wire {
	d.t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial(d.URL, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		if resp != nil {
			body, _ := io.ReadAll(resp.Body)
			d.t.Fatalf("dial: %v: %s", err, body)
		}
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { ws.Close() })
	return &wire{t: d.t, ws: ws}
}

// makeToken makes a token as the command does.
func (d *testDaemon) makeToken(scope access.Scope, names ...string) (access.Token, string) {
	d.t.Helper()
	token, secret, err := access.CreateToken(d.StateDir, scope, names, time.Time{})
	if err != nil {
		d.t.Fatal(err)
	}
	return token, secret
}

// frame is whatever the daemon may send.
type frame struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *api.Error
}

func (w *wire) send(text string) {
	w.t.Helper()
	if err := w.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// call sends a call and gives its id.
func (w *wire) call(method string, params any) int {
	w.t.Helper()
	w.id++
	data, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": w.id, "method": method, "params": params})
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(string(data))
	return w.id
}

func (w *wire) read() []byte {
	w.t.Helper()
	w.ws.SetReadDeadline(time.Now().Add(patience))
	_, data, err := w.ws.ReadMessage()
	if err != nil {
		w.t.Fatal(err)
	}
	w.seen.Write(data)
	return data
}

func (w *wire) next() frame {
	w.t.Helper()
	var f frame
	data := w.read()
	if err := json.Unmarshal(data, &f); err != nil {
		w.t.Fatalf("%v: %s", err, data)
	}
	return f
}

// answer reads until the answer to a call; each notification before it goes to
// event.
func (w *wire) answer(id int, event func(method string, params json.RawMessage)) frame {
	w.t.Helper()
	for {
		f := w.next()
		switch {
		case f.Method != "" && event != nil:
			event(f.Method, f.Params)
		case f.Method == "" && string(f.ID) == fmt.Sprint(id):
			return f
		}
	}
}

// do calls and wants a result, which goes to result.
func (w *wire) do(method string, params, result any) {
	w.t.Helper()
	f := w.answer(w.call(method, params), nil)
	if f.Error != nil {
		w.t.Fatalf("%s: %v, %+v", method, f.Error, f.Error.Data)
	}
	if result != nil {
		if err := json.Unmarshal(f.Result, result); err != nil {
			w.t.Fatalf("%s: %v: %s", method, err, f.Result)
		}
	}
}

// fails calls and wants an error with that code.
func (w *wire) fails(code api.Code, method string, params any) *api.Error {
	w.t.Helper()
	f := w.answer(w.call(method, params), nil)
	if !errors.Is(f.Error, code) {
		w.t.Fatalf("%s answered %s, %v; want %d", method, f.Result, f.Error, code)
	}
	return f.Error
}

// repo serves a repository whose image runs the probe.
func repo(t *testing.T, name string, instructions ...string) *gittest.Repo {
	t.Helper()
	dockerfile := "FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\n" + strings.Join(instructions, "\n") + "\n"
	r := gittest.NewServer(t).Repo(name, nil)
	r.Write("probe", string(enginetest.Program(t)), 0o755)
	r.Commit(map[string]string{"Dockerfile": dockerfile})
	return r
}
