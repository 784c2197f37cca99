//go:build swarm

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestASwarmUnderLoadAndWithoutItsParts(t *testing.T) {
	s := enginetest.NewSwarm(t, 1)
	t.Run("a restart under load fails no request", func(t *testing.T) { restartUnderLoad(t, s) })
	t.Run("an update under load fails no request, nor does one that does not work", func(t *testing.T) { updateUnderLoad(t, s) })
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
	load := d.request("web.localhost")
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

// page is an app that answers each request with the text.
func page(text string, instructions ...string) files {
	return files{"Dockerfile": base + "RUN mkdir /www && echo " + text + " >/www/index.html\nEXPOSE 8080\n" +
		`CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]` + "\n" + strings.Join(instructions, "\n") + "\n"}
}

func updateUnderLoad(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	first := ask[api.Build](w, "build", []any{"server", repository(t, page("first"))})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "replicas": 3})
	load := d.request("web.localhost")

	second := ask[api.Build](w, "build", []any{"server", repository(t, page("second"))})
	update := w.start("web/update", nil)
	told := fmt.Sprint(update.lines())
	if c := result[api.Container](update); c.Commit != second.Commit || c.Serving != 3 || c.Replicas != 3 {
		t.Errorf("update answered %+v", c)
	}
	if !strings.Contains(told, "Replacing 3 replicas") || !strings.Contains(told, "The first of them serves") {
		t.Errorf("the update told %s", told)
	}
	w.serves(d, "second", second.Commit)
	for _, bad := range []struct{ what, instruction, why, line string }{
		{"one that ends", `CMD echo there is no database; exit 3`, "non-zero exit (3)", "there is no database"},
		{"one that never becomes healthy", "HEALTHCHECK --interval=1s --retries=2 CMD false\nCMD echo serving; exec httpd -f -p 8080 -h /www", "unhealthy", "serving"},
	} {
		ask[api.Build](w, "build", []any{"server", repository(t, page("third", bad.instruction))})
		refusal := refused(w, api.CodeStartFailed, "web/update", nil)
		if !strings.Contains(refusal.Message, bad.why) || !strings.Contains(refusal.Message, "runs as before") {
			t.Errorf("an update to %s: %s", bad.what, refusal.Message)
		}
		if !slices.ContainsFunc(refusal.Data.Lines, func(l api.Line) bool { return l.Text == bad.line && l.Replica > 0 }) {
			t.Errorf("an update to %s gave the lines %+v", bad.what, refusal.Data.Lines)
		}
		w.serves(d, "second", second.Commit)
	}
	back := w.start("web/rollback", nil)
	if told := back.lines(); len(told) == 0 {
		t.Error("the rollback told nothing")
	}
	if c := result[api.Container](back); c.Commit != first.Commit || c.Serving != 3 {
		t.Errorf("rollback answered %+v", c)
	}
	w.serves(d, "first", first.Commit)
	sent, failed := load.end()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), sent, failed[0])
	}
	t.Logf("%d requests", sent)
}

// serves sees that all replicas of web are of the commit, and answer so.
func (w *wire) serves(d *daemon, text, commit string) {
	w.t.Helper()
	for range 6 {
		if got := d.fetch(w.t, "web.localhost", http.StatusOK); !strings.Contains(got, text) {
			w.t.Errorf("the page is %q, not %s", got, text)
		}
	}
	for _, task := range ask[api.Inspect](w, "web/inspect", nil).Tasks {
		if task.State == "running" && task.Wanted == "running" && task.Commit != commit {
			w.t.Errorf("there is the task %+v", task)
		}
	}
}

func nodeDies(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "replicas": 6})
	load := d.request("web.localhost")
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
