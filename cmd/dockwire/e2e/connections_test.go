package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

// As many connections as there may be: calls are answered meanwhile, on each of
// them, and one more is refused.
func TestTenThousandConnectionsAreHeld(t *testing.T) {
	const most = 10_000
	allowFiles(t, most+1000)
	d := startDaemon(t)
	w := d.connect(t)
	ask[[]api.Container](w, "list", nil)
	before := d.memory(t, "VmRSS")

	crowd := d.load(t, "hold", "-n", fmt.Sprint(most-1))
	var held struct {
		Connections int
		Seconds     float64
	}
	crowd.next(&held)
	idle := d.memory(t, "VmRSS")
	each := (idle - before) / held.Connections
	t.Logf("%d connections in %.1f s; resident memory %.1f MiB before and %.1f MiB now, %.1f KiB a connection (aim 12)",
		held.Connections, held.Seconds, mib(before), mib(idle), float64(each)/1024)
	if each > 48<<10 {
		t.Errorf("an idle connection takes %d bytes", each)
	}

	ask[[]api.Container](w, "list", nil)
	var called struct {
		Calls             int
		Seconds, P50, P99 float64
	}
	fmt.Fprintln(crowd.in)
	crowd.next(&called)
	t.Logf("%d calls, one on each, 64 at once, in %.1f s: median %.1f ms, 99th percentile %.1f ms; resident memory %.1f MiB after",
		called.Calls, called.Seconds, called.P50, called.P99, mib(d.memory(t, "VmRSS")))

	_, resp, err := websocket.DefaultDialer.Dial(d.url, http.Header{"Authorization": {"Bearer " + d.token}})
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more connection: %v (%v), want 503", err, resp)
	}
	crowd.in.Close()
	if err := crowd.cmd.Wait(); err != nil {
		t.Errorf("the clients ended with %v", err)
	}
	w.conn.Close()
	d.awaitNoConnection(t)
}
