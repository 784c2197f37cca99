package e2e

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

// A follower that has stopped to read, and one that reads again after a while,
// beside a hundred that read, on a log of 20,000 lines a second.
func TestAStalledFollowerSlowsNobodyAndCostsLittle(t *testing.T) {
	const followers, rate, lines = 100, 20_000, 200_000
	d := startDaemon(t, "--write-timeout", "4s")
	w := d.connect(t)
	w.createWriter("writer", false, "-n", fmt.Sprint(lines), "-rate", fmt.Sprint(rate))
	before := d.memory(t, "VmRSS")
	d.resetPeak(t)

	crowd := d.load(t, "follow", "-n", fmt.Sprint(followers), "-lines", fmt.Sprint(lines), "-name", "writer")
	crowd.next(&struct{ Followers int }{})
	stalled, late := d.connectStalled(t), d.connectStalled(t)
	stalled.send("writer/logs", map[string]any{"follow": true})
	late.send("writer/logs", map[string]any{"follow": true})
	front := w.start("writer/logs", map[string]any{"follow": true, "grep": fmt.Sprintf("^%d ", lines/20)})
	ask[api.Container](w, "writer/start", nil)

	front.until(fmt.Sprintf("%d ", lines/20))
	lateSees := make(chan error, 1)
	go func() { lateSees <- late.follow(lines) }()
	var followed struct {
		Lines, Frames   int
		P50, P99, Worst float64
		Failures        []string
	}
	crowd.next(&followed)
	t.Logf("%d lines in %d frames; from written to received: median %.1f ms, 99th percentile %.1f ms (aim 250), worst %.1f ms",
		followed.Lines, followed.Frames, followed.P50, followed.P99, followed.Worst)
	if len(followed.Failures) > 0 || followed.Lines != followers*lines {
		t.Errorf("the followers saw %d lines, want %d; %d failed, one so: %s", followed.Lines, followers*lines,
			len(followed.Failures), slices.Concat(followed.Failures, []string{"-"})[0])
	}
	if err := <-lateSees; err != nil {
		t.Errorf("the one that read again: %v", err)
	}
	d.awaitHungUp(t, stalled.conn.LocalAddr())
	peak := d.memory(t, "VmHWM")
	t.Logf("resident memory: %.1f MiB before, at most %.1f MiB since: %.1f MiB more (aim 32)", mib(before), mib(peak), mib(peak-before))
	if peak-before > 128<<20 {
		t.Errorf("the daemon's memory grew from %d to %d bytes", before, peak)
	}
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// stalledConn is a connection that nobody reads, until somebody does.
type stalledConn struct {
	t    testing.TB
	conn *websocket.Conn
}

// connectStalled connects with a receive buffer of half a second, so that the
// daemon soon notices that it is not read.
func (d *daemon) connectStalled(t testing.TB) *stalledConn {
	t.Helper()
	dialer := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(1 << 20)
		}
		return conn, err
	}}
	conn, resp, err := dialer.Dial(d.url, http.Header{"Authorization": {"Bearer " + d.token}})
	if err != nil {
		t.Fatalf("%v (%v)", err, resp)
	}
	t.Cleanup(func() { conn.Close() })
	return &stalledConn{t, conn}
}

func (s *stalledConn) send(method string, params any) {
	s.t.Helper()
	if err := s.conn.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}); err != nil {
		s.t.Fatal(err)
	}
}

// follow reads up to the line, and fails when one is missing or repeated.
func (s *stalledConn) follow(last int) error {
	var f struct{ Params api.Output }
	for n, seq := 0, int64(0); n < last; {
		f.Params = api.Output{}
		s.conn.SetReadDeadline(time.Now().Add(patience))
		if err := s.conn.ReadJSON(&f); err != nil {
			return fmt.Errorf("after line %d: %w", n, err)
		}
		for _, line := range f.Params.Lines {
			if n++; lineNumber(s.t, line) != n {
				return fmt.Errorf("after line %d came %q", n-1, line.Text)
			}
		}
		if seq += int64(len(f.Params.Lines)); f.Params.Seq != seq || f.Params.Gap {
			return fmt.Errorf("at line %d the seq is %d (gap %v), want %d", n, f.Params.Seq, f.Params.Gap, seq)
		}
	}
	return nil
}
