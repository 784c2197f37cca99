package engine

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestInspectIsFromMemoryOnceItsSurroundingsAreKnown(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Memory: 64 << 20, Environment: map[string]string{"SECRET": "s"}})
	first, err := f.Inspect(t.Context(), c.Name, false)
	if err != nil {
		t.Fatal(err)
	}
	if first.Network.Subnet == "" || first.Network.Address == "" || first.ImageDetails.Commit != testCommit || first.Limits.Memory != 64<<20 {
		t.Errorf("it is %+v", first)
	}
	first.Configuration.Environment["SECRET"] = nil // as is done for who may not see it
	proxy.Silence()
	t.Cleanup(proxy.Restore)
	again, err := f.Inspect(t.Context(), c.Name, false)
	if err != nil {
		t.Fatalf("it cannot be inspected without the engine: %v", err)
	}
	if secret := again.Configuration.Environment["SECRET"]; secret == nil || *secret != "s" {
		t.Errorf("what one caller does to the environment, another sees: %v", secret)
	}
	if again.Network != first.Network || again.ImageDetails.ID != first.ImageDetails.ID || again.ImageDetails.Containers[0] != c.Name {
		t.Errorf("it is %+v, before it was %+v", again, first)
	}
	_, err = f.Inspect(t.Context(), c.Name, true)
	wantClass(t, err, Unavailable, "")
}

func TestInspectFollowsWhatIsDoneBehindOurBack(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Memory: 64 << 20})
	if _, err := f.docker.ContainerUpdate(t.Context(), c.ID, container.UpdateConfig{Resources: container.Resources{Memory: 96 << 20, MemorySwap: 96 << 20}}); err != nil {
		t.Fatal(err)
	}
	doc, err := f.Inspect(t.Context(), c.Name, true)
	if err != nil || doc.Limits.Memory != 96<<20 || len(doc.Engine) == 0 {
		t.Fatalf("the limit is %d, %v", doc.Limits.Memory, err)
	}
	if doc, err = f.Inspect(t.Context(), c.Name, false); err != nil || doc.Limits.Memory != 96<<20 || doc.Engine != nil {
		t.Errorf("who had been told of another limit is then told of %d, %v", doc.Limits.Memory, err)
	}
}

func TestWhatIsRemovedMeanwhileIsNamed(t *testing.T) {
	f := setUp(t)
	f.until("the connect", f.Up)
	for what, do := range map[string]func() error{
		"inspect": func() error { _, err := f.Inspect(t.Context(), "web", true); return err },
		"a change": func() error {
			_, err := f.changeMembers(t.Context(), "web", 0, func(ctx context.Context, members []*record) error {
				return f.stateAfter(ctx, members[0], nil)
			})
			return err
		},
	} {
		f.state.put(rec("web", testID, api.StateRunning)) // the event of its end has not come yet
		if known := wantClass(t, do(), NotFound, `called "web"`); known.Data.Name != "web" {
			t.Errorf("the error of %s is about %q", what, known.Data.Name)
		}
	}
}
