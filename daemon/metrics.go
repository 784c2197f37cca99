package daemon

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// metrics answers with the figures of the moment, in the text format of
// Prometheus. A token sees the builds and containers of its own names.
func (c *control) metrics(w http.ResponseWriter, r *http.Request) {
	grant := c.check(w, r)
	if grant == nil {
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	c.daemon.writeMetrics(w, grant.Caller)
}

func (d *Daemon) writeMetrics(w io.Writer, caller access.Caller) {
	stats := d.rpc.Stats()
	gauge(w, "dockwire_connections", "Connections that are open.", stats.Connections)
	gauge(w, "dockwire_calls", "Calls that run, streams apart.", stats.Calls)
	gauge(w, "dockwire_streams", "Streams that run.", stats.Streams)
	gauge(w, "dockwire_queued_bytes", "Bytes that wait to be written to connections.", stats.Queued)

	gauge(w, "go_goroutines", "Goroutines of the daemon.", runtime.NumGoroutine())

	builds := states(api.BuildQueued, api.BuildRunning, api.BuildSucceeded, api.BuildFailed, api.BuildCancelled, api.BuildInterrupted)
	for _, build := range seen(caller, d.builds.List(), func(b api.BuildInfo) string { return b.Name }) {
		builds[build.State]++
	}
	gauges(w, "dockwire_builds", "Builds that wait, run or are kept, by state.", builds)

	containers := states(api.StateCreated, api.StateRunning, api.StateRestarting, api.StatePaused, api.StateExited, api.StateDead)
	all, _, _ := d.engine.Changes(0) // as they were last known: this does not wait for the engine
	for _, container := range seenContainers(caller, all) {
		containers[container.State]++
	}
	gauges(w, "dockwire_containers", "Containers by state.", containers)

	up := 0
	if d.engine.Up() {
		up = 1
	}
	gauge(w, "dockwire_engine_up", "1 while the engine answers.", up)
	d.ingress.WriteMetrics(w, d.sees(caller))
}

// states counts none of each.
func states(names ...string) map[string]int {
	counts := map[string]int{}
	for _, name := range names {
		counts[name] = 0
	}
	return counts
}

func gauge[T int | int64](w io.Writer, name, help string, value T) {
	head(w, name, help)
	fmt.Fprintf(w, "%s %d\n", name, value)
}

func gauges(w io.Writer, name, help string, counts map[string]int) {
	head(w, name, help)
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s{state=%q} %d\n", name, state, counts[state])
	}
}

func head(w io.Writer, name, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}
