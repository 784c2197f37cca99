package engine

import (
	"errors"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestACreateTakesTheNetworkThatWasPrepared(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	undo := f.Prepare(t.Context(), p, "tester")
	name := f.engineName(kindNetwork, p.Name)
	prepared, err := f.docker.NetworkInspect(t.Context(), name, network.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := f.Containers(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("before the create there are %v, %v", all, err)
	}
	f.create(p)
	undo()
	if now, err := f.docker.NetworkInspect(t.Context(), name, network.InspectOptions{}); err != nil || now.ID != prepared.ID || len(now.Containers) != 1 {
		t.Errorf("the container is not in the network %s that was prepared: %+v, %v", prepared.ID, now, err)
	}
	f.remove(p.Name, false)
	f.mustBeClean()
}

func TestWhatWasPreparedInVainIsUndone(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.name("no-such-image"), Name: f.name("web"), Domain: "shop.example"}
	undo := f.Prepare(t.Context(), p, "tester")
	if left := f.left(t.Context()); len(left) != 1 {
		t.Errorf("prepared was %v", left)
	}
	if _, err := f.Create(t.Context(), p, "tester"); classOf(err) != NotFound {
		t.Errorf("create said %v", err)
	}
	undo()
	f.mustBeClean()
	other := api.CreateParams{Image: f.build("game"), Name: f.name("other"), Domain: p.Domain}
	if _, err := f.Create(t.Context(), other, "somebody else"); err != nil {
		t.Errorf("the domain is still reserved: %v", err)
	}
}

// A create releases what it has reserved when it answers; what was prepared for
// it stays reserved until that is undone.
func TestWhatIsPreparedIsReserved(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("broken", `ENTRYPOINT ["/no-such-command"]`), Name: f.name("web"), Domain: "shop.example"}
	undo := f.Prepare(t.Context(), p, "tester")
	defer undo()
	if _, err := f.Create(t.Context(), p, "tester"); classOf(err) != StartFailed {
		t.Errorf("create said %v", err)
	}
	other := api.CreateParams{Image: p.Image, Name: f.name("other"), Domain: p.Domain}
	if _, err := f.Create(t.Context(), other, "somebody else"); classOf(err) != Conflict {
		t.Errorf("another create with the same domain said %v", err)
	}
}

func TestNothingIsPreparedForANameThatIsTaken(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	before := f.create(p)
	f.Prepare(t.Context(), p, "tester")()
	if now, known := f.Container(p.Name); !known || now != before {
		t.Errorf("the container that has the name is %+v now", now)
	}
	if left := f.left(t.Context()); len(left) != 2 {
		t.Errorf("there are %v, want the container and its network", left)
	}
}

func TestWhatIsPreparedSurvivesAReconnectAndNotAKill(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.Prepare(t.Context(), api.CreateParams{Name: f.name("web")}, "tester")
	prepared := f.left(t.Context())
	proxy.Refuse()
	f.until("the loss", func() bool { return !f.Up() })
	proxy.Restore()
	f.until("the return", f.Up)
	if now := f.left(t.Context()); len(prepared) != 1 || !slices.Equal(now, prepared) {
		t.Errorf("of %v is left %v", prepared, now)
	}
	f.stop() // as a kill does, it leaves what was prepared
	f.run(Config{Instance: f.cfg.Instance}).awaitUp(t.Context())
	f.mustBeClean()
}

func TestAnEngineThatIsAwayPreparesNothing(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	proxy.Refuse()
	f.until("the loss", func() bool { return !f.Up() })
	p := api.CreateParams{Name: f.name("web")}
	f.Prepare(t.Context(), p, "tester")()
	if f.hosts.taken(f.hostOf(p.Name)) {
		t.Error("its host is reserved")
	}
	proxy.Restore()
	f.until("the return", f.Up)
	f.mustBeClean()
}

// A network that is not as ours are is made anew.
func TestAnotherNetworkOfTheNameIsNotTakenForAPreparedOne(t *testing.T) {
	f := setUp(t)
	f.awaitUp(t.Context())
	name := f.name("web")
	release, _, _ := f.hosts.take(name, "tester", f.hostOf(name))
	defer release()
	b := bridge{kind: kindNetwork, name: name, internal: true}
	if _, err := f.makeNetwork(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.internal = false
	if _, err := f.makeNetwork(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	found, err := f.docker.NetworkInspect(t.Context(), f.engineName(kindNetwork, name), network.InspectOptions{})
	if err := errors.Join(err, f.verifyNetwork(b, found)); err != nil {
		t.Error(err)
	}
}
