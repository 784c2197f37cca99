package engine

import (
	"slices"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// cutOff gives what a create has made when it is cut off after so many steps.
func (f *fixture) cutOff(p api.CreateParams, steps int) {
	f.t.Helper()
	s, volumes, err := f.specOf(f.t.Context(), p, "tester")
	if err != nil {
		f.t.Fatal(err)
	}
	var undo undoing
	id, err := f.makeContainer(f.t.Context(), s, volumes, &undo)
	if err == nil && steps > 1 {
		err = f.giveName(f.t.Context(), id, s.Name)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestWhatACreateLeftThatWasCutOffIsRemovedAtAConnect(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	for _, p := range []struct {
		api.CreateParams
		steps int
	}{
		{api.CreateParams{Name: f.name("nameless")}, 1},
		{api.CreateParams{Name: f.name("nameless-and-not-to-start"), Start: ptr(false)}, 1},
		{api.CreateParams{Name: f.name("shared"), Network: "shop"}, 1},
		{api.CreateParams{Name: f.name("not-started")}, 2},
	} {
		p.Image = image
		f.cutOff(p.CreateParams, p.steps)
	}
	whole := f.create(api.CreateParams{Image: image, Name: f.name("whole"), Start: ptr(false)})
	again := f.run(f.cfg)
	all, err := again.Containers(t.Context())
	if err != nil || !slices.Equal(all, []api.Container{whole}) {
		t.Errorf("it found %+v, %v", all, err)
	}
	f.remove(whole.Name, false)
	f.mustBeClean()
}

func TestACreateReplacesWhatOneOfItsNameLeft(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	for steps := 1; steps <= 2; steps++ {
		p := api.CreateParams{Image: image, Name: f.name("web")}
		f.cutOff(p, steps)
		if _, known := f.Container(p.Name); known {
			t.Error("what is half-made is seen")
		}
		f.create(p)
		f.remove(p.Name, false)
	}
	f.mustBeClean()
}

func TestAConnectionThatIsLostDuringACreateLeavesNothing(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	s, volumes, err := f.specOf(t.Context(), p, "tester")
	if err != nil {
		t.Fatal(err)
	}
	var undo undoing
	if _, err := f.makeContainer(t.Context(), s, volumes, &undo); err != nil {
		t.Fatal(err)
	}
	proxy.Refuse()
	undo.run(t.Context(), f.log)
	f.until("the loss", func() bool { return !f.Up() })
	proxy.Restore()
	f.until("the return", f.Up)
	f.mustBeClean()
}

func TestTidyingLeavesAloneWhatIsInUse(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	f.cutOff(p, 1)
	unlock, err := f.mutating.lock(t.Context(), kindContainer+" "+p.Name)
	if err != nil {
		t.Fatal(err)
	}
	release, _, _ := f.hosts.take(p.Name, "tester", f.hostOf(p.Name))
	before := f.left(t.Context())
	if err := f.relist(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := f.left(t.Context()); !slices.Equal(before, after) {
		t.Errorf("of a create that goes on %v is left, want %v", after, before)
	}
	release()
	unlock()
	if err := f.relist(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.mustBeClean()
}
