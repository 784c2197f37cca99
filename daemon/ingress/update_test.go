package ingress

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// variant gives the name of another version of the image.
func (w *world) variant(tag string, instructions ...string) string {
	w.t.Helper()
	name := w.image + ":" + tag
	if err := enginetest.Client(w.t).ImageTag(w.t.Context(), enginetest.Probe(w.t, nil, instructions...), name); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.removeAll) // before the image goes
	return name
}

// mixed are the URLs of a container's short requests, and of one in fifty that
// lasts three seconds.
func mixed(c api.Container) []string {
	urls := []string{"http://" + c.Domain + "/stream/30"}
	for range 44 {
		urls = append(urls, "http://"+c.Domain+"/id")
	}
	for range 5 {
		urls = append(urls, "http://"+c.Domain+"/slow/100ms")
	}
	return urls
}

// mustBeWhole fails the test for each request that is not answered to its end.
func mustBeWhole(t *testing.T) func(string, int, string, error) {
	return func(url string, status int, body string, err error) {
		if err != nil || status != http.StatusOK || strings.Contains(url, "/stream/") && !strings.HasSuffix(body, "data: 29\n\n") {
			t.Errorf("%s: %d, %d bytes, %v", url, status, len(body), err)
		}
	}
}

func quietly(string) {}

// served creates a container and waits until it serves.
func (w *world) served(name string) api.Container {
	w.t.Helper()
	c := w.create(api.CreateParams{Name: name})
	w.until("it serves", func() bool { return w.stateOf(c.Domain, c.Name) == api.PoolServing })
	return c
}

func TestUpdatesAndRollbacksFailNoRequestAndCutNoneOff(t *testing.T) {
	w := newWorld(t)
	slow := w.variant("slow", `CMD ["serve", "-delay", "500ms"]`)
	c := w.served(w.name("web"))
	l := w.begin(500, mixed(c), mustBeWhole(t))
	defer l.end()
	ids := map[string]bool{c.ID: true}
	for i := range times(t, 2) {
		p := api.UpdateParams{}
		if i%2 == 0 {
			p.Image = slow
		}
		before := l.answered.Load()
		updated, err := w.engine.Update(t.Context(), c.Name, p, quietly)
		if err != nil {
			t.Fatal(err, errors.Unwrap(err))
		}
		ids[updated.ID] = true
		w.until("it answers", func() bool { return l.answered.Load() > before+100 })
	}
	if _, err := w.engine.Rollback(t.Context(), c.Name, quietly); err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	l.end()
	t.Logf("%d requests were asked and %d answered, by %d containers", l.asked.Load(), l.answered.Load(), len(ids))
	if l.answered.Load() != l.asked.Load() || len(ids) != times(t, 2)+1 {
		t.Error("not all were answered")
	}
}

func TestAnUpdateThatNeverServesFailsNoRequest(t *testing.T) {
	w := newWorld(t, func(cfg *engine.Config) { cfg.UpdateTime = 3 * time.Second })
	mute, sick := w.variant("mute", `ENTRYPOINT ["/probe", "wait"]`), w.variant("sick", `HEALTHCHECK --interval=10s --retries=1 CMD ["/probe", "exit", "1"]`)
	c := w.served(w.name("web"))
	l := w.begin(500, mixed(c), mustBeWhole(t))
	defer l.end()
	for _, image := range []string{mute, sick} {
		_, err := w.engine.Update(t.Context(), c.Name, api.UpdateParams{Image: image}, quietly)
		var known *engine.Error
		if !errors.As(err, &known) || known.Class != engine.StartFailed {
			t.Errorf("the update to %s gave %v", image, err)
		}
	}
	l.end()
	t.Logf("%d requests were asked and %d answered", l.asked.Load(), l.answered.Load())
	if now, _ := w.engine.Container(c.Name); now != c || l.answered.Load() != l.asked.Load() {
		t.Errorf("it is %+v", now)
	}
}

func TestAContainerWithAHealthcheckTakesOverOnceItIsHealthy(t *testing.T) {
	w := newWorld(t)
	checked := w.variant("checked", `HEALTHCHECK --interval=10s CMD ["/probe", "exit", "0"]`)
	c := w.served(w.name("web"))
	l := w.begin(100, mixed(c), mustBeWhole(t))
	defer l.end()
	began := time.Now()
	updated, err := w.engine.Update(t.Context(), c.Name, api.UpdateParams{Image: checked}, quietly)
	if err != nil || updated.Health != api.HealthHealthy || time.Since(began) < 9*time.Second {
		t.Errorf("after %v it is %+v, %v", time.Since(began), updated, err)
	}
	w.until("it serves", func() bool { return len(w.Pool(c.Domain)) == 1 && w.stateOf(c.Domain, c.Name) == api.PoolServing })
}
