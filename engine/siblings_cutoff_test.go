package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// familyChange is a change of a family that is cut off at each of its requests.
type familyChange struct {
	name   string
	before int // so many replicas there are; 0 for none yet
	change func(e *Engine, f *fixture, name string) error
	sizes  []int // so many may be left, besides those before
}

func (f *fixture) webParams(name string, replicas int) api.CreateParams {
	return api.CreateParams{Image: f.name("game"), Name: name, Command: []string{"serve"}, Replicas: replicas}
}

var familyChanges = []familyChange{
	{"create", 0, func(e *Engine, f *fixture, name string) error {
		_, err := e.Create(f.t.Context(), f.webParams(name, 2), "tester")
		return err
	}, []int{2}},
	{"scale up", 1, func(e *Engine, f *fixture, name string) error {
		_, err := e.Scale(f.t.Context(), name, 3)
		return err
	}, []int{2, 3}},
	{"scale down", 3, func(e *Engine, f *fixture, name string) error {
		_, err := e.Scale(f.t.Context(), name, 1)
		return err
	}, []int{2, 1}},
	{"remove", 2, func(e *Engine, f *fixture, name string) error {
		_, err := e.Remove(f.t.Context(), name, false)
		return err
	}, []int{1, 0}},
}

// cutFamilyOffAt begins a change of a family that is cut off at its n-th request, as
// by a kill, and gives the request; "" when the change came to its end before.
func (f *fixture) cutFamilyOffAt(n int, name string, before int, updated bool, change func(*Engine, *fixture, string) error) (request string) {
	f.t.Helper()
	proxy := enginetest.NewProxy(f.t)
	cfg := f.cfg
	cfg.Host = proxy.Socket()
	behind, stop := f.start(cfg)
	defer stop()
	if before > 0 {
		if _, err := behind.Create(f.t.Context(), f.webParams(name, before), "tester"); err != nil {
			f.t.Fatal(err)
		}
		if updated { // so that each has a previous one
			if _, err := behind.Update(f.t.Context(), name, api.UpdateParams{}, quietly); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	reached := make(chan string, 1)
	proxy.RefuseAt(n, false, func(request string) { reached <- request })
	err := change(behind, f, name)
	select {
	case request = <-reached:
	default:
		if err != nil {
			f.t.Error(err)
		}
	}
	return request
}

func TestOfAFamilyWhoseChangeIsKilledEachIsWholeOrGoneAtTheNextStart(t *testing.T) {
	for _, c := range familyChanges {
		t.Run(c.name, func(t *testing.T) {
			f := setUp(t)
			f.build("game")
			f.stop() // an instance has one daemon
			name, sizes := f.name("web"), map[int]int{}
			for n, ended := 1, false; !ended; n++ {
				request := f.cutFamilyOffAt(n, name, c.before, false, c.change)
				ended = request == ""
				again, stop := f.start(f.cfg)
				size := f.mustBeWhole(again, name)
				t.Logf("cut off at %q: %d are left", request, size)
				if size != c.before && !slices.Contains(c.sizes, size) {
					t.Errorf("cut off at %q, %d are left", request, size)
				}
				if sizes[size]++; size > 0 {
					if _, err := again.Remove(t.Context(), name, false); err != nil {
						t.Fatal(err)
					}
				}
				f.mustBeClean()
				stop()
			}
			for _, size := range append(c.sizes, c.before) {
				if sizes[size] == 0 {
					t.Errorf("%d were never left, but %v", size, sizes)
				}
			}
		})
	}
}

// mustBeWhole fails the test unless all that there is is of the family, by its number,
// and runs, but for the last, which may have been stopped to be removed. It gives how
// many they are.
func (f *fixture) mustBeWhole(e *Engine, name string) (size int) {
	f.t.Helper()
	waitFor(f.t, e, time.Minute, "the start", e.Up)
	all, err := e.Containers(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	want := family(name, api.StateRunning, len(all))
	if last := siblingName(name, len(all)); want[last] != "" {
		c, _ := e.Container(last)
		want[last] = c.State
	}
	wantFamily(f.t, e, want)
	if titles := f.titles(); len(titles) != len(all) {
		f.t.Errorf("there are %v", titles)
	}
	if c, known := e.Container(name); known && len(all) > 1 && c.Replicas != len(all) {
		f.t.Errorf("it is %+v", c)
	}
	return len(all)
}

// A rollback needs an update before it, and its first requests are those of an update.
func TestAFamilyWhoseUpdateIsKilledIsReplacedWholeOrNotAtAll(t *testing.T) {
	for kind, from := range map[string]int{"update": 1, "rollback": 4} {
		t.Run(kind, func(t *testing.T) {
			f := setUp(t)
			f.build("game")
			f.stop() // an instance has one daemon
			name, outcomes, updated := f.name("web"), map[bool]int{}, kind == "rollback"
			for n, ended := from, false; !ended; n++ {
				var old []*record
				request := f.cutFamilyOffAt(n, name, 2, updated, func(e *Engine, f *fixture, name string) error {
					old = f.members(e, name)
					_, err := exchanges[kind](e, f.t.Context(), name)
					return err
				})
				ended = request == ""
				again, stop := f.start(f.cfg)
				outcomes[f.mustBeOfOne(again, name, request, updated, old)]++
				stop()
			}
			if outcomes[true] < 6 || outcomes[false] < 2 {
				t.Errorf("of the changes that were cut off, %v were done", outcomes)
			}
			f.mustBeClean()
		})
	}
}

// members gives what is known of a family.
func (f *fixture) members(e *Engine, name string) []*record {
	f.t.Helper()
	waitFor(f.t, e, time.Minute, "the start", e.Up)
	if _, err := e.Containers(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	lead, _ := e.state.get(name)
	return append([]*record{lead}, e.state.siblings(name)...)
}

// mustBeOfOne fails the test unless all of a family run and are as they were, or all
// were replaced, and says which.
func (f *fixture) mustBeOfOne(e *Engine, name, request string, updated bool, old []*record) (done bool) {
	f.t.Helper()
	now := f.members(e, name)
	done = now[0].ID != old[0].ID
	for i, r := range now {
		if !r.Running() || (r.ID != old[i].ID) != done || r.edition != now[0].edition {
			f.t.Errorf("cut off at %q (done: %v), %s is %s, of %s", request, done, r.Name, r.State, r.edition)
		}
	}
	want := []string{"current running", "current running"}
	if updated || done {
		want = append(want, "previous exited", "previous exited")
	}
	f.wantTitles(want...)
	f.t.Logf("cut off at %q: done %v", request, done)
	if _, err := e.Remove(f.t.Context(), name, false); err != nil {
		f.t.Fatal(err)
	}
	return done
}

func TestSiblingsWhoseContainerIsGoneAreRemoved(t *testing.T) {
	f := setUp(t)
	f.build("game")
	name := f.name("web")
	c := f.create(f.webParams(name, 3))
	f.update(name, api.UpdateParams{}) // each has a previous one
	gone, _ := f.Container(name)
	for _, id := range []string{c.ID, gone.ID} {
		if err := f.docker.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	f.until("it is seen to be gone", func() bool { _, known := f.Container(name); return !known })
	if err := f.relist(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFamily(t, f.Engine, map[string]string{})
	f.mustBeClean()

	gone = f.create(f.webParams(name, 2))
	if err := f.docker.ContainerRemove(t.Context(), gone.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	f.until("it is seen to be gone", func() bool { _, known := f.Container(name); return !known })
	f.create(f.webParams(name, 1)) // which is nobody's sibling's
	wantFamily(t, f.Engine, family(name, api.StateRunning, 1))
	f.remove(name, false)
	f.mustBeClean()
}
