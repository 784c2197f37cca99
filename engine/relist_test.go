package engine

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// listed gives what List answers.
func listed(t *testing.T, e *Engine, seen func(string) bool) []api.Container {
	t.Helper()
	data, err := e.List(t.Context(), seen)
	if err != nil {
		t.Fatal(err)
	}
	var all []api.Container
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return all
}

func TestItIsReadyBeforeItHasLookedAtAnyContainer(t *testing.T) {
	f := setUp(t)
	image := enginetest.Probe(t, nil)
	names, _ := enginetest.Crowd(t, f.cfg.Instance, image, 300, 3)
	proxy := enginetest.NewProxy(t)
	one, err := f.docker.ContainerInspect(t.Context(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.cfg
	cfg.Host = proxy.Socket()
	proxy.Inject(0, faults.Rule{Match: regexp.MustCompile("/containers/" + one.ID + "/json"), Delay: time.Hour}) // it waits in vain
	e := f.run(cfg)
	waitFor(t, e, patience, "the connect", e.Up)
	for i, name := range names {
		if at := e.state.at(name + ".test.localhost"); len(at) != 1 || at[0].Running() != (i < 3) || at[0].addr.IsValid() != (i < 3) {
			t.Fatalf("the host of %s leads to %+v", name, at)
		}
	}
	if _, err := e.find(t.Context(), names[299]); err != nil {
		t.Errorf("one container waits for another: %v", err)
	}
	_, err = e.List(limited(t, patience), nil)
	wantClass(t, err, Unavailable, "")
	if changes, _, _ := e.Changes(0); slices.ContainsFunc(changes, func(c api.Container) bool { return c.Name == names[0] }) {
		t.Error("a container is told of that nobody has looked at")
	}
	proxy.Inject(0)
	proxy.Cut()
	waitFor(t, e, patience, "the return", func() bool { r, _ := e.state.get(names[0]); return r.version > 0 })
	all, err := e.Containers(t.Context())
	if err != nil || !reflect.DeepEqual(all, listed(t, e, nil)) || len(all) != 300 {
		t.Fatalf("there are %d containers, %v, and List gives others", len(all), err)
	}
	if c := all[0]; c.Name != names[0] || c.Started.IsZero() || c.State != api.StateRunning {
		t.Errorf("the first is %+v", c)
	}
	if doc, err := e.Inspect(t.Context(), names[0], false); err != nil || doc.Container != all[0] || doc.Network.Address == "" {
		t.Errorf("inspect answers %+v, %v", doc, err)
	}
	if some := listed(t, e, func(name string) bool { return name == names[7] }); len(some) != 1 || some[0] != all[7] {
		t.Errorf("of one name there is %+v", some)
	}
}

// What was in doubt may be gone, and out of the state too, before it was looked at:
// an update right after the start removes the container that was kept before.
func TestAListDoesNotAskForEverAfterWhatIsGone(t *testing.T) {
	f := setUp(t)
	f.until("the connect", f.Up)
	f.state.sketchKept(rec("web", testID, api.StateExited))
	f.state.keep(rec("web", "0123456789ab", api.StateExited))
	listed(t, f.Engine, nil)
	if ids := f.state.doubts(); ids != nil {
		t.Errorf("after a list there are still in doubt %v", ids)
	}
}

func TestAListIsAsNewAsWhatItsCallerWasTold(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Port: ptr(0)})
	for _, do := range []func() (api.Container, error){
		func() (api.Container, error) { return c, nil },
		func() (api.Container, error) { return f.Stop(t.Context(), c.Name, ptr(0.0)) },
		func() (api.Container, error) { return f.Start(t.Context(), c.Name) },
		func() (api.Container, error) { return f.Restart(t.Context(), c.Name, ptr(0.0)) },
		func() (api.Container, error) {
			if err := f.docker.ContainerPause(t.Context(), c.ID); err != nil {
				return api.Container{}, err
			}
			doc, err := f.Inspect(t.Context(), c.Name, true)
			return doc.Container, err
		},
	} {
		told, err := do()
		if err != nil {
			t.Fatal(err)
		}
		if all := listed(t, f.Engine, nil); !slices.Equal(all, []api.Container{told}) {
			t.Errorf("after %+v the list is %+v", told, all)
		}
	}
	f.remove(c.Name, false)
	if all := listed(t, f.Engine, nil); len(all) != 0 {
		t.Errorf("after remove the list is %+v", all)
	}
}

func TestWhatEventsDidNotTellIsFoundByTheList(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	web := f.create(api.CreateParams{Image: image, Name: f.name("web")})
	idle := f.create(api.CreateParams{Image: image, Name: f.name("idle"), Start: ptr(false)})
	pretend := func(name string, change func(*record)) {
		r, _ := f.state.get(name)
		wrong := *r
		change(&wrong)
		f.state.put(&wrong)
	}
	for what, lose := range map[string]func(){
		"a state":     func() { pretend(web.Name, func(r *record) { r.State = api.StateExited }) },
		"a health":    func() { pretend(web.Name, func(r *record) { r.Health = api.HealthStarting }) },
		"a restart":   func() { pretend(web.Name, func(r *record) { r.Restarts, r.Started = 7, r.Created }) },
		"a container": func() { f.state.drop(web.Name, web.ID) },
		"a removal":   func() { f.state.put(rec(f.name("ghost"), "0123456789ab", api.StateRunning)) },
	} {
		lose()
		if err := f.relist(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all := listed(t, f.Engine, nil); !slices.Equal(all, []api.Container{idle, web}) {
			t.Errorf("%s that was lost is not found: %+v", what, all)
		}
	}
	pretend(idle.Name, func(r *record) { r.OOMKilled = true })
	for range lookRounds {
		if err := f.relist(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if now, _ := f.Container(idle.Name); now != idle {
		t.Errorf("what no list tells is not found: %+v", now)
	}
}

func TestARelistLooksAtFewContainersWhenNothingHasChanged(t *testing.T) {
	f := setUp(t)
	enginetest.Crowd(t, f.cfg.Instance, enginetest.Probe(t, nil), 25, 0)
	f.until("the crowd", func() bool { return len(f.state.list()) == 25 })
	found, err := f.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ids := f.suspects(found); len(ids) != 3 {
		t.Errorf("of 25 containers %d are looked at, want a tenth", len(ids))
	}
}

func TestTheListSpeaksOfChanges(t *testing.T) {
	e := &Engine{}
	running := rec("web", "1", api.StateRunning)
	running.Health = api.HealthHealthy
	for status, same := range map[string]bool{
		"Up 5 minutes (healthy)":          true,
		"Up 5 minutes (unhealthy)":        false,
		"Up 5 minutes (health: starting)": false,
		"Up 5 minutes":                    false,
		"Up 12 seconds (healthy)":         false,
		"Up Less than a second (healthy)": false,
	} {
		c := container.Summary{State: api.StateRunning, Status: status}
		r := *running
		r.addr = e.listedAt(c, r.Port)
		if e.isAsListed(&r, c) != same {
			t.Errorf("%q: as known: %v", status, !same)
		}
		if e.isAsListed(running, c) {
			t.Errorf("%q: another address is not seen", status)
		}
	}
	exited := rec("web", "1", api.StateExited)
	for status, same := range map[string]bool{"Exited (1) 2 hours ago": true, "Exited (1) 59 seconds ago": false} {
		if e.isAsListed(exited, container.Summary{State: api.StateExited, Status: status}) != same {
			t.Errorf("%q: as known: %v", status, !same)
		}
	}
	if e.isAsListed(exited, container.Summary{State: api.StateRunning, Status: "Up 2 hours"}) {
		t.Error("another state is not seen")
	}
}
