package e2e

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// After all of its work a daemon runs the same goroutines as one that has just
// started.
func TestNoGoroutineIsLeftWhenTheWorkIsDone(t *testing.T) {
	fresh := startDaemon(t)
	want := fresh.ownGoroutines(t)
	fresh.start(t)

	d := startDaemon(t)
	w := d.connect(t)
	build := w.start("build", []any{"ticker", repository(t, ticker)})
	result[api.Build](build)
	ask[api.Container](w, "create", []any{"ticker", "ticker"})
	for range 3 {
		w.start("ticker/logs", map[string]any{"follow": true}).until("tick")
		w.start("ticker/top", map[string]any{"follow": true}).next()
		w.start("list", map[string]any{"follow": true}).next()
	}
	cancelled := w.start("ticker/logs", map[string]any{"follow": true})
	cancelled.until("tick")
	cancelled.cancel()
	cancelled.end()
	w.conn.Close()
	d.removeAll(t)

	d.awaitNoConnection(t)
	if got := d.ownGoroutines(t); !slices.Equal(got, want) {
		t.Errorf("goroutines after the work:\n%s\nat the start:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	d.start(t)
}

// idle matches a worker that waits for a task: rpc keeps some of them.
var idle = regexp.MustCompile(`^goroutine .*\n(?:runtime\..*\n\t.*\n)*github\.com/dockwire/dockwire/rpc\.\(\*workers\)\.work\(`)

var createdByUs = regexp.MustCompile(`created by ((?:github\.com/dockwire|golang\.org/x/sync)/\S+)`)

// ownGoroutines ends the daemon and gives the functions, ours and errgroup's,
// that had started the goroutines it ran, idle workers left out.
func (d *daemon) ownGoroutines(t testing.TB) []string {
	t.Helper()
	var creators []string
	for _, stack := range d.goroutines(t) {
		if m := createdByUs.FindStringSubmatch(stack); m != nil && !idle.MatchString(stack) {
			creators = append(creators, m[1])
		}
	}
	slices.Sort(creators)
	return creators
}

// awaitNoConnection waits until the daemon has closed its end of every
// connection to the control listener.
func (d *daemon) awaitNoConnection(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.Trim(strings.TrimPrefix(d.url, "ws://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	var number int
	fmt.Sscan(port, &number)
	open := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:%04X [0-9A-F:]+ (01|08) `, number)) // established, close wait
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if !open.Match(table) {
			return
		}
	}
	t.Errorf("the daemon holds a connection whose client is gone")
}
