package ingress

import (
	"errors"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// serving counts the members of a host's pool that serve.
func (w *world) serving(host string) (n int) {
	for _, m := range w.Pool(host) {
		if m.State == api.PoolServing {
			n++
		}
	}
	return n
}

// scale makes a container be so many, and waits until all of them serve.
func (w *world) scale(c api.Container, replicas int) {
	w.t.Helper()
	if _, err := w.engine.Scale(w.t.Context(), c.Name, replicas); err != nil {
		w.t.Fatal(err, errors.Unwrap(err))
	}
	w.until("all serve, and no more", func() bool { return w.serving(c.Domain) == replicas && len(w.Pool(c.Domain)) == replicas })
}

func TestScalingOneContainerUpAndDownFailsNoRequest(t *testing.T) {
	w := newWorld(t)
	c := w.create(api.CreateParams{Name: w.name("web"), Domain: shared, Command: []string{"serve", "-delay", "200ms"}})
	w.until("it serves", func() bool { return w.serving(shared) == 1 })
	byName := c
	byName.Domain = c.Name + "." + base
	l := w.begin(100, append(mixed(c), mixed(byName)...), mustBeWhole(t))
	defer l.end()
	for range times(t, 1) {
		for _, replicas := range []int{5, 2, 3, 1} {
			w.scale(c, replicas)
		}
	}
	l.end()
	t.Logf("%d requests were asked and %d answered", l.asked.Load(), l.answered.Load())
	if l.answered.Load() != l.asked.Load() {
		t.Error("not all were answered")
	}
	w.scale(c, 3)
	for _, host := range []string{c.Domain, byName.Domain} {
		w.answeredBy(host, c.Name, c.Name+"-2", c.Name+"-3")
	}
	w.want("http://"+c.Name+"-2."+base+"/id", 404, "")
	w.remove(c.Name)
}

func TestReplacingAFamilyFailsNoRequest(t *testing.T) {
	w := newWorld(t)
	slow, mute := w.variant("slow", `CMD ["serve", "-delay", "500ms"]`), w.variant("mute", `ENTRYPOINT ["/probe", "wait"]`)
	c := w.create(api.CreateParams{Name: w.name("web"), Replicas: 3})
	w.until("all serve", func() bool { return w.serving(c.Domain) == 3 })
	l := w.begin(100, mixed(c), mustBeWhole(t))
	defer l.end()
	if _, err := w.engine.Restart(t.Context(), c.Name, nil); err != nil {
		t.Error(err)
	}
	if _, err := w.engine.Update(t.Context(), c.Name, api.UpdateParams{Image: slow}, quietly); err != nil {
		t.Error(err)
	}
	_, err := w.engine.Update(t.Context(), c.Name, api.UpdateParams{Image: mute}, quietly)
	var known *engine.Error
	if !errors.As(err, &known) || known.Class != engine.StartFailed {
		t.Errorf("the update to what never serves gave %v", err)
	}
	if _, err := w.engine.Rollback(t.Context(), c.Name, quietly); err != nil {
		t.Error(err)
	}
	w.until("all serve", func() bool { return w.serving(c.Domain) == 3 })
	l.end()
	t.Logf("%d requests were asked and %d answered", l.asked.Load(), l.answered.Load())
	if l.answered.Load() != l.asked.Load() {
		t.Error("not all were answered")
	}
	w.remove(c.Name)
}
