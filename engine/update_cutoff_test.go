package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// exchanges are the changes that are cut off.
var exchanges = map[string]func(*Engine, context.Context, string) (api.Container, error){
	"update": func(e *Engine, ctx context.Context, name string) (api.Container, error) {
		return e.Update(ctx, name, api.UpdateParams{}, quietly)
	},
	"rollback": func(e *Engine, ctx context.Context, name string) (api.Container, error) {
		return e.Rollback(ctx, name, quietly)
	},
}

// cutOff is a change that was cut off.
type cutOff struct {
	request   string // at this one; "" when it came to its end before
	old, kept string // the ids of the containers that there were
	behind    *Engine
	stop      func() // the end of behind
	proxy     *enginetest.Proxy
}

// cutOffAt makes a container, updates it, and begins a change of it that is cut
// off at its n-th request, through an Engine behind a proxy.
func (f *fixture) cutOffAt(n int, answered bool, name string, change func(*Engine, context.Context, string) (api.Container, error)) cutOff {
	f.t.Helper()
	c := cutOff{proxy: enginetest.NewProxy(f.t)}
	cfg := f.cfg
	cfg.Host = c.proxy.Socket()
	c.behind, c.stop = f.start(cfg)
	first, err := c.behind.Create(f.t.Context(), api.CreateParams{Image: f.name("game"), Name: name, Command: []string{"serve"}}, "tester")
	if err != nil {
		f.t.Fatal(err)
	}
	second, err := c.behind.Update(f.t.Context(), name, api.UpdateParams{}, quietly)
	if err != nil {
		f.t.Fatal(err)
	}
	c.kept, c.old = first.ID, second.ID
	reached := make(chan string, 1)
	c.proxy.RefuseAt(n, answered, func(request string) { reached <- request })
	change(c.behind, f.t.Context(), name)
	select {
	case c.request = <-reached:
	default:
	}
	return c
}

// mustHaveSettled fails the test unless the name is as it was, or as it is after
// the change, and says which.
func (f *fixture) mustHaveSettled(e *Engine, name string, c cutOff) (done bool) {
	f.t.Helper()
	all, err := e.Containers(f.t.Context())
	if err != nil || len(all) != 1 || all[0].Name != name || all[0].State != api.StateRunning {
		f.t.Fatalf("there are %+v, %v", all, err)
	}
	f.wantTitles("current running", "previous exited")
	kept, ok := e.state.replaced(name)
	done = all[0].ID != c.old
	if !ok || done && kept.ID != c.old || !done && kept.ID != c.kept {
		f.t.Errorf("cut off at %q (done: %v), the previous one is another", c.request, done)
	}
	f.t.Logf("cut off at %q: done %v", c.request, done)
	if _, err := e.Remove(f.t.Context(), name, false); err != nil {
		f.t.Fatal(err)
	}
	return done
}

// TestAnUpdateThatIsKilledIsFinishedOrUndoneAtTheNextStart cuts the engine off
// before each request of an update and of a rollback: what it finds then is what
// it would be after a kill.
func TestAnUpdateThatIsKilledIsFinishedOrUndoneAtTheNextStart(t *testing.T) {
	for kind, change := range exchanges {
		t.Run(kind, func(t *testing.T) {
			f := setUp(t)
			f.build("game")
			f.stop() // an instance has one daemon
			name, outcomes := f.name("web"), map[bool]int{}
			for n, ended := 1, false; !ended; n++ {
				c := f.cutOffAt(n, false, name, change)
				ended = c.request == ""
				c.stop()
				again, stop := f.start(f.cfg)
				outcomes[f.mustHaveSettled(again, name, c)]++
				stop()
			}
			if outcomes[true] < 4 || outcomes[false] < 3 {
				t.Errorf("of the changes that were cut off, %v were done", outcomes)
			}
			f.mustBeClean()
		})
	}
}

func TestAnUpdateWhoseConnectionIsLostIsFinishedOrUndoneOnceItIsBack(t *testing.T) {
	for kind, change := range exchanges {
		t.Run(kind, func(t *testing.T) {
			f := setUp(t)
			f.build("game")
			f.stop() // an instance has one daemon
			name := f.name("web")
			for n, ended := 1, false; !ended; n++ {
				c := f.cutOffAt(n, true, name, change)
				ended = c.request == ""
				waitFor(t, c.behind, patience, "the loss", func() bool { return ended || !c.behind.Up() })
				changes := changesOf(c.behind)
				c.proxy.Restore()
				waitFor(t, c.behind, patience, "the return", c.behind.Up)
				if told := changes(); slices.ContainsFunc(told, func(c api.Container) bool { return c.State == api.StateRemoved }) {
					t.Errorf("after %s those who follow the list are told %+v", c.request, told)
				}
				c.proxy.Inject(0)
				f.mustHaveSettled(c.behind, name, c)
				c.stop()
			}
			f.mustBeClean()
		})
	}
}

// changesOf gives what gives the changes from now on.
func changesOf(e *Engine) func() []api.Container {
	_, version, _ := e.Changes(0)
	return func() []api.Container {
		changed, _, _ := e.Changes(version)
		return changed
	}
}
