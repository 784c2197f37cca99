package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// benchCrowd gives a daemon that has a crowd.
func benchCrowd(b *testing.B, size, running int) (d *testDaemon, names []string) {
	b.Helper()
	image := enginetest.Probe(b, nil)
	instance := "bench-" + random()
	names, disperse := enginetest.Crowd(b, instance, image, size, running)
	d = runDaemon(b, func(cfg *Config) { cfg.Instance = instance })
	b.Cleanup(disperse)
	return d, names
}

// plainConn sends and reads without a thought, so that what is measured is the
// daemon.
func (d *testDaemon) plainConn(b *testing.B) *websocket.Conn {
	b.Helper()
	dialer := websocket.Dialer{ReadBufferSize: 64 << 10}
	ws, _, err := dialer.Dial(d.URL, http.Header{"Authorization": {"Bearer " + d.Token}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ws.Close() })
	return ws
}

// BenchmarkTop asks what a container uses: for the first time, and again.
func BenchmarkTop(b *testing.B) {
	d, names := benchCrowd(b, 10, 10)
	ws := d.plainConn(b)
	var cold, again time.Duration
	for b.Loop() {
		for _, name := range names {
			began := time.Now()
			inFlight(b, ws, name+"/top", 1)
			cold = max(cold, time.Since(began))
			began = time.Now()
			inFlight(b, ws, name+"/top", 1)
			again = max(again, time.Since(began))
		}
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	b.ReportMetric(float64(cold.Microseconds())/1000, "longest-first-ms")
	b.ReportMetric(float64(again.Microseconds())/1000, "longest-again-ms")
}

// BenchmarkBehindOurBack pauses and resumes a container at the engine, and asks
// for the list until it says so.
func BenchmarkBehindOurBack(b *testing.B) {
	d, names := benchCrowd(b, 100, 1)
	cli, ws := enginetest.Client(b), d.dial()
	var late []time.Duration
	until := func(state string, change func(context.Context, string) error) {
		if err := change(b.Context(), names[0]); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for all := []api.Container(nil); all == nil || all[0].State != state; {
			ws.do("list", nil, &all)
		}
		late = append(late, time.Since(began))
	}
	for b.Loop() {
		until(api.StatePaused, cli.ContainerPause)
		until(api.StateRunning, cli.ContainerUnpause)
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "p99-ms")
}

// inFlight makes calls, that many at a time, and gives how many it made.
func inFlight(b *testing.B, ws *websocket.Conn, method string, window int) (calls int) {
	request, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`))
	if err != nil {
		b.Fatal(err)
	}
	for range window {
		if err := ws.WritePreparedMessage(request); err != nil {
			b.Fatal(err)
		}
	}
	for range window {
		_, r, err := ws.NextReader()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return window
}

// rate gives how often a second something happens, over one round.
func rate(step func() int) float64 {
	const round = 300 * time.Millisecond
	began, n := time.Now(), 0
	for time.Since(began) < round {
		n += step()
	}
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkList asks for a hundred containers: the engine over its socket, and
// the daemon, one call after another and 32 in flight. All take turns.
func BenchmarkList(b *testing.B) {
	d, _ := benchCrowd(b, 100, 0)
	cli := enginetest.Client(b)
	socket := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return cli.Dialer()(ctx) }}}
	defer socket.CloseIdleConnections()
	ws := d.plainConn(b)
	compareRates(b, map[string]func() int{
		"engine": func() int {
			resp, err := socket.Get("http://engine/containers/json?all=1")
			if err != nil {
				b.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				b.Fatal(resp.Status, err)
			}
			return 1
		},
		"serial": func() int { return inFlight(b, ws, "list", 1) },
		"window": func() int { return inFlight(b, ws, "list", 32) },
	})
}

// BenchmarkInspect asks for one container, as the engine's client library does,
// and of the daemon: with the engine's own document, for that is an admin's.
func BenchmarkInspect(b *testing.B) {
	d, names := benchCrowd(b, 1, 1)
	cli := enginetest.Client(b)
	ws := d.plainConn(b)
	compareRates(b, map[string]func() int{
		"engine": func() int {
			if _, _, err := cli.ContainerInspectWithRaw(b.Context(), names[0], false); err != nil {
				b.Fatal(err)
			}
			return 1
		},
		"admin": func() int { return inFlight(b, ws, names[0]+"/inspect", 1) },
	})
}

// compareRates has the steps take turns, and reports the mean rate of each and
// how many times the engine's it is.
func compareRates(b *testing.B, steps map[string]func() int) {
	rates := map[string]float64{}
	for b.Loop() {
		for name, step := range steps {
			rates[name] += rate(step)
		}
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	for name, sum := range rates {
		b.ReportMetric(sum/float64(b.N), name+"/s")
		if name != "engine" {
			b.ReportMetric(sum/rates["engine"], name+"-ratio")
		}
	}
}
