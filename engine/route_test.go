package engine

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// told is a Router that notes what it is told, and how the engine says that the
// container is at that moment.
type told struct {
	docker *client.Client
	mu     sync.Mutex
	events []string
	last   map[string]Route // by id
}

func (r *told) Route(route Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reached := "unreached"
	if route.Address.IsValid() {
		reached = "reached"
	}
	if event := route.State + " " + reached; len(r.events) == 0 || r.events[len(r.events)-1] != event {
		r.events = append(r.events, event) // it may be told again what it knows
	}
	r.last[route.ID] = route
}

func (r *told) Together(change func()) { change() }

func (r *told) Drain(ctx context.Context, id string) (release func()) {
	c, err := r.docker.ContainerInspect(ctx, id)
	if err == nil {
		r.note("drain " + string(c.State.Status))
	}
	return func() { r.note("release") }
}

func (r *told) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *told) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// route gives what was told last of a container.
func (r *told) route(id string) Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[id]
}

func TestTheRouterIsToldBeforeAContainerIsStopped(t *testing.T) {
	router := &told{docker: enginetest.Client(t), last: map[string]Route{}}
	f := setUp(t, func(cfg *Config) { cfg.Router = router })
	image, name := f.build("game"), f.name("web")
	c := f.create(api.CreateParams{Image: image, Name: name, Domain: "shop.example.com"})
	f.until("its start is told", func() bool { return slices.Contains(router.take(), "running reached") })
	route := router.route(c.ID)
	if route.Name != name || route.Host != name+".test.localhost" || route.Domain != "shop.example.com" || route.Address.Port() != 8080 || route.Started != c.Started {
		t.Errorf("the route is %+v", route)
	}
	steps := func(what string, want ...string) {
		t.Helper()
		got := router.take()
		for _, event := range got {
			if len(want) > 0 && event == want[0] {
				want = want[1:]
			}
		}
		if len(want) > 0 {
			t.Errorf("%s: the router was told %q; %q is missing, or too late", what, got, want)
		}
	}
	if _, err := f.Restart(t.Context(), name, ptr(1.0)); err != nil {
		t.Fatal(err)
	}
	steps("restart", "drain running", "running unreached", "running reached", "release")
	if router.route(c.ID).Started == c.Started {
		t.Error("the route does not tell one start from another")
	}
	if _, err := f.Stop(t.Context(), name, ptr(1.0)); err != nil {
		t.Fatal(err)
	}
	steps("stop", "drain running", "running unreached", "exited unreached", "release")
	f.remove(name, false)
	steps("remove", "drain exited", "removed unreached", "release")
}

func TestAWorkerHasNoHost(t *testing.T) {
	router := &told{docker: enginetest.Client(t), last: map[string]Route{}}
	f := setUp(t, func(cfg *Config) { cfg.Router = router })
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("worker"), Port: ptr(0)})
	if route := router.route(c.ID); route.Host != "" || route.Domain != "" {
		t.Errorf("the route is %+v", route)
	}
}
