package e2e

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// Ten thousand tasks of a swarm of 300 nodes: they are made up, the daemon is
// not.
func TestASwarmOfTenThousandTasksTakesLittleMemory(t *testing.T) { takesLittleMemory(t, 1000, 10) }

func takesLittleMemory(t *testing.T, services, replicas int) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	defer app.Close()
	d := &daemon{instance: "e2e-" + strings.ToLower(rand.Text()[:10]), dir: t.TempDir()}
	m := enginetest.NewManager(t, d.instance, "1.51", services, replicas, app.Listener.Addr().String())
	d.flags = []string{"--engine", "swarm", "--docker-host", m.Socket, "--registry", "registry.example.com:5000"}
	d.start(t)
	defer d.stop(t)
	w := d.connect(t)
	var all []api.Container
	began := time.Now()
	eventually(t, "all services are listed", func() bool {
		f := w.start("list", nil)
		if f.end().Error != nil {
			return false
		}
		all = ask[[]api.Container](w, "list", nil)
		return len(all) == services
	})
	t.Logf("the list was there after %v", time.Since(began))
	if c := all[0]; c.Serving != replicas || c.State != api.StateRunning {
		t.Errorf("the first is %+v", c)
	}
	d.fetch(t, all[7].Domain, http.StatusOK)

	for range 5 { // it looks at all of them again, and gets rid of what it knew
		looks := m.Looks.Load()
		m.TouchNode()
		eventually(t, "it looks at all of them again", func() bool { return m.Looks.Load() > looks })
	}
	var took []time.Duration
	for range 50 {
		began := time.Now()
		ask[[]api.Container](w, "list", nil)
		took = append(took, time.Since(began))
	}
	most := d.memory(t, "VmHWM")
	t.Logf("list takes %v, worst %v; the daemon holds %d MiB, %d at most", median(took), worst(took), d.memory(t, "VmRSS")>>20, most>>20)
	if most > 200<<20 {
		t.Errorf("the daemon held %d MiB", most>>20)
	}
}

func TestAnOldEngineIsRefusedForASwarm(t *testing.T) {
	d := &daemon{instance: "e2e-old", dir: t.TempDir()}
	m := enginetest.NewManager(t, d.instance, "1.41", 0, 0, "127.0.0.1:1")
	d.flags = []string{"--engine", "auto", "--docker-host", m.Socket, "--registry", "registry.example.com:5000"}
	d.start(t)
	defer d.stop(t)
	w, reason := d.connect(t), ""
	defer func() { t.Log(reason) }()
	eventually(t, "the engine is refused for its age", func() bool {
		reason = refused(w, api.CodeUnavailable, "create", map[string]any{"image": "app", "name": "app"}).Data.Reason
		return strings.Contains(reason, "1.44") && strings.Contains(reason, "new privileges")
	})
}
