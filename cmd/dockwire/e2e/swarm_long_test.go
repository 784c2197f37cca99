//go:build swarm

package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestASwarmUnderLoadAndWithoutItsParts(t *testing.T) {
	s := enginetest.NewSwarm(t, 1)
	t.Run("a restart under load fails no request", func(t *testing.T) { restartUnderLoad(t, s) })
	t.Run("a node that dies under load costs next to nothing", func(t *testing.T) { nodeDies(t, s) })
	t.Run("domains are served while the manager is away", func(t *testing.T) { managerIsAway(t, s) })
}

// What counts is services: each has a log that is copied.
func TestASwarmOfTenThousandServicesTakesLittleMemory(t *testing.T) {
	const services = 10_000
	allowFiles(t, 2*services) // the manager is in this process
	takesLittleMemory(t, services, 1)
}

func restartUnderLoad(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	before := ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "replicas": 3})
	load := d.request("web.localhost", 4)
	after := ask[api.Container](w, "web/restart", nil)
	sent, failed := load.end()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), sent, failed[0])
	}
	if after.Serving != 3 || !after.Started.After(before.Started.Time) {
		t.Errorf("restart answered %+v, after %+v", after, before)
	}
	t.Logf("%d requests", sent)
}

func nodeDies(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "replicas": 6})
	load := d.request("web.localhost", 4)
	eventually(t, "there is load", func() bool { return load.sent.Load() > 500 })
	died := time.Now()
	s.Nodes[2].Crash()
	t.Cleanup(s.Nodes[2].Start)
	eventually(t, "list tells of the orphans", func() bool { return d.web(w).Orphans == 2 })
	noticed := time.Since(died)
	eventually(t, "all replicas run again", func() bool { return d.web(w).Serving == 6 })
	restored := time.Since(died)
	sent, failed := load.end()
	late := 0
	for _, f := range failed {
		if f.at.Sub(died) > 2*time.Second {
			late++
		}
	}
	t.Logf("%d requests, %d failed, %d of them late; noticed after %v, all replicas back after %v; the daemon holds %d MiB",
		sent, len(failed), late, noticed, restored, d.memory(t, "VmRSS")>>20)
	if len(failed)*200 > sent || late > 0 {
		t.Errorf("%d of %d requests failed, %d of them late: %v", len(failed), sent, late, failed[0])
	}
	if noticed > 15*time.Second || restored > 20*time.Second {
		t.Errorf("it was noticed after %v, and all replicas were back after %v", noticed, restored)
	}
	doc := ask[api.Inspect](w, "web/inspect", nil)
	down := 0
	for _, n := range doc.Nodes {
		if n.State == "down" {
			down++
		}
	}
	if down != 1 {
		t.Errorf("the nodes are %+v", doc.Nodes)
	}
	s.Nodes[2].Start()
	eventually(t, "the node is back and nothing is orphaned", func() bool { return d.web(w).Orphans == 0 })
}

// web gives the service of that name as list tells it.
func (d *daemon) web(w *wire) api.Container {
	for _, c := range ask[[]api.Container](w, "list", nil) {
		if c.Name == "web" {
			return c
		}
	}
	return api.Container{}
}

func managerIsAway(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "replicas": 3})
	s.Nodes[0].Kill()
	eventually(t, "list is refused", func() bool { return w.start("list", nil).end().Error != nil })
	began := time.Now()
	refused(w, api.CodeUnavailable, "list", nil)
	refused(w, api.CodeUnavailable, "web/stop", nil)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("to be told so twice took %v", took)
	}
	for range 20 {
		d.fetch(t, "web.localhost", http.StatusOK)
	}
	s.Nodes[0].Start()
	eventually(t, "the list is back", func() bool { return w.start("list", nil).end().Error == nil })
}
