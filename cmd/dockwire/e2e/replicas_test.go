package e2e

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// command runs the compiled command against the daemon, and gives what it prints.
func (d *daemon) command(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, append(args, "--url", "unix://"+d.socket())...).CombinedOutput()
	if err != nil {
		t.Fatalf("dockwire %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// names gives the names of all containers, and whether each runs.
func names(w *wire) (running []string) {
	w.t.Helper()
	for _, c := range ask[[]api.Container](w, "list", nil) {
		running = append(running, c.Name+" "+c.State)
	}
	return running
}

func TestAContainerHasReplicasOnOneEngine(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	result[api.Build](w.start("build", []any{"game", repository(t, game)}))
	created := ask[api.Container](w, "create", map[string]any{"image": "game", "name": "web", "replicas": 2, "environment": map[string]string{"LEVEL": "7"}})
	if created.Replicas != 2 || created.Serving != 2 || created.Domain != "web.localhost" {
		t.Errorf("create answered %+v", created)
	}
	if out := d.command(t, "scale", "web", "3"); !strings.Contains(out, "web running 3/3") {
		t.Errorf("dockwire scale prints %q", out)
	}
	if out := d.command(t, "inspect", "web"); !strings.Contains(out, "web-3") {
		t.Errorf("dockwire inspect prints %q", out)
	}
	all := []string{"web running", "web-2 running", "web-3 running"}
	if got := names(w); !slices.Equal(got, all) {
		t.Errorf("there are %v", got)
	}
	logs := w.start("web-3/logs", map[string]any{"follow": true})
	logs.until("level 7")
	refused(w, api.CodeConflict, "web-3/scale", []any{2})

	d.kill(t)
	d.start(t)
	w = d.connect(t)
	if got := names(w); !slices.Equal(got, all) {
		t.Errorf("after a kill there are %v", got)
	}
	d.fetch(t, "web.localhost", http.StatusOK)
	d.fetch(t, "web-2.localhost", http.StatusNotFound)
	if stopped := ask[api.Container](w, "web/scale", []any{0}); stopped.Replicas != 3 || stopped.Serving != 0 {
		t.Errorf("scale to 0 answered %+v", stopped)
	}
	d.fetch(t, "web.localhost", http.StatusServiceUnavailable)
	if started := ask[api.Container](w, "web/start", nil); started.Serving != 3 {
		t.Errorf("start answered %+v", started)
	}
	if alone := ask[api.Container](w, "web/scale", []any{1}); alone.Replicas != 0 {
		t.Errorf("scale to 1 answered %+v", alone)
	}
	if got := names(w); !slices.Equal(got, all[:1]) {
		t.Errorf("there are %v", got)
	}
	d.command(t, "scale", "web", "2")
	d.command(t, "rm", "web")
	if got := names(w); len(got) != 0 {
		t.Errorf("there are %v", got)
	}
}
