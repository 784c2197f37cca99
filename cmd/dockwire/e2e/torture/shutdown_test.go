package torture

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// allowedEnd is how long an orderly end may take. Promised are 15 s.
const allowedEnd = 40 * time.Second

// TestADaemonEndsInOrder ends it under streams, a build and a request.
func TestADaemonEndsInOrder(t *testing.T) {
	d := startEngine(t, "").startDaemon()
	c := d.client()
	build(t, c, "app", "EXPOSE 8080\nCMD [\"serve\"]\n")
	must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "app", Name: "app"}))
	d.serves("app.localhost", http.StatusOK)
	url := repository(t, gittest.NewServer(t), "slow", "RUN [\"/probe\", \"lines\", \"-every\", \"20ms\"]\n")
	wires := []*wire{d.dial(), d.dial(), d.dial(), d.dial()}
	wires[0].call("list", `{"follow":true}`)
	wires[1].call("app/top", `{"follow":true}`)
	wires[2].call("build", `["slow","`+url+`"]`)
	for _, w := range wires[:3] {
		w.event()
	}
	slow := d.request("/stream/30")

	d.signal(syscall.SIGTERM)
	began := time.Now()
	refused := eventually(t, patience, func() error {
		conn, err := net.Dial("tcp", d.address)
		if err == nil {
			conn.Close()
			return errors.New("it still takes connections")
		}
		return nil
	})
	for _, w := range wires {
		if err := w.end(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
			t.Errorf("a connection ended with %v, want %d", err, websocket.CloseGoingAway)
		}
	}
	streams := time.Since(began)
	if status := <-slow; status != http.StatusOK {
		t.Errorf("the request that was under way is answered %d", status)
	}
	<-d.ended
	took := time.Since(began)
	if d.err != nil || took > allowedEnd {
		t.Errorf("the daemon ended after %v with %v", took, d.err)
	}
	t.Logf("no connection was taken after %v, the streams had ended after %v, all after %v", refused, streams, took)

	d.start()
	infos := must[[]api.BuildInfo](t)(c.Builds(t.Context()))
	if i := slices.IndexFunc(infos, func(b api.BuildInfo) bool { return b.Name == "slow" }); i < 0 || infos[i].State != api.BuildInterrupted {
		t.Errorf("builds gives %+v", infos)
	}
	d.serves("app.localhost", http.StatusOK)
}

// TestASecondSignalEndsTheDaemonAtOnce sends it while a request holds the first
// up.
func TestASecondSignalEndsTheDaemonAtOnce(t *testing.T) {
	d := startEngine(t, "").startDaemon()
	c := d.client()
	build(t, c, "app", "EXPOSE 8080\nCMD [\"serve\"]\n")
	must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "app", Name: "app"}))
	d.serves("app.localhost", http.StatusOK)
	held := d.request("/stream/600")
	d.signal(syscall.SIGTERM)
	first := time.Now()
	for waiting := true; waiting; { // until the first has been noted: one of the same moment does not count
		select {
		case <-d.ended:
			waiting = false
		case <-time.After(200 * time.Millisecond):
			d.signal(syscall.SIGTERM)
		}
	}
	took := time.Since(first)
	var exit *exec.ExitError
	if !errors.As(d.err, &exit) || took > allowedEnd {
		t.Errorf("the daemon ended after %v with %v, as if in order", took, d.err)
	}
	<-held
	t.Logf("the daemon had ended %v after the first signal", took)
	d.start()
}

// request asks the app for a path through the ingress, and returns when the
// answer has begun. The status comes when that has ended, 0 if it broke off.
func (d *daemon) request(path string) <-chan int {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+d.ingress+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Host = "app.localhost"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() {
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			resp.StatusCode = 0
		}
		status <- resp.StatusCode
	}()
	return status
}

// wire is a connection whose frames are the test's own affair.
type wire struct {
	t    testing.TB
	conn *websocket.Conn
}

func (d *daemon) dial() *wire {
	d.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+d.address, http.Header{"Authorization": {"Bearer " + d.token()}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	return &wire{d.t, conn}
}

func (w *wire) call(method, params string) {
	w.t.Helper()
	text := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
	if err := w.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// event waits for the next frame.
func (w *wire) event() {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(patience))
	if _, data, err := w.conn.ReadMessage(); err != nil {
		w.t.Fatalf("%v: %s", err, data)
	}
}

// end reads until the connection ends, and gives how it did.
func (w *wire) end() error {
	w.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		if _, _, err := w.conn.ReadMessage(); err != nil {
			return err
		}
	}
}
