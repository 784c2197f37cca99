package torture

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// allowedQuiet is how long the state may be wrong after the last change when
// events were lost. Promised are 35 s: the engine is asked every 30.
const allowedQuiet = 75 * time.Second

// TestTheStateIsRightThoughEventsAreLost drops nearly a third of the engine's
// events, and doubles others, while containers are changed behind the daemon's
// back.
func TestTheStateIsRightThoughEventsAreLost(t *testing.T) {
	e := startEngine(t, "")
	e.proxy.Inject(*seed, faults.Rule{Match: regexp.MustCompile(`^GET /events`), Drop: 0.3, Double: 0.1})
	d := e.startDaemon()
	c := d.client()
	build(t, c, "app", "")
	var ids []string
	for n := range 6 {
		ids = append(ids, must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "app", Name: fmt.Sprintf("app%d", n), Port: ptr(0)})).ID)
	}
	chance, changes := rand.New(rand.NewPCG(*seed, 2)), 0
	for end := time.Now().Add(scale().dropping); time.Now().Before(end); changes++ {
		e.change(ids[chance.IntN(len(ids))], chance.IntN(5))
	}
	e.cli.ContainerRemove(t.Context(), ids[0], container.RemoveOptions{Force: true})
	took := eventually(t, allowedQuiet, func() error {
		if got, want := d.states(c), e.states(); !maps.Equal(got, want) {
			return fmt.Errorf("list gives %v, the engine has %v", got, want)
		}
		return nil
	})
	t.Logf("%d changes in %v; the state was right %v after the last", changes, scale().dropping, took)
	// The network of what somebody else removed goes when the engine is next asked for all there is.
	eventually(t, allowedQuiet, func() error {
		if _, err := e.cli.NetworkInspect(t.Context(), "dockwire."+instance+".network.app0", network.InspectOptions{}); !errdefs.IsNotFound(err) {
			return fmt.Errorf("the network of what was removed is there: %v", err)
		}
		return nil
	})
}

// change changes a container in one of five ways. Some cannot be done to it as
// it is, which is all the same.
func (e *engine) change(id string, way int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch way {
	case 0:
		e.cli.ContainerStop(ctx, id, container.StopOptions{Timeout: ptr(1)})
	case 1:
		e.cli.ContainerKill(ctx, id, "KILL")
	case 2:
		e.cli.ContainerPause(ctx, id)
	case 3:
		e.cli.ContainerUnpause(ctx, id)
	default:
		e.cli.ContainerStart(ctx, id, container.StartOptions{})
	}
}

// states gives those of the daemon's containers, by name.
func (d *daemon) states(c *client.Client) map[string]string {
	d.t.Helper()
	states := map[string]string{}
	for _, c := range must[[]api.Container](d.t)(c.List(d.t.Context())) {
		states[c.Name] = c.State
	}
	return states
}

// states gives those of all containers, as the engine itself says.
func (e *engine) states() map[string]string {
	e.t.Helper()
	states := map[string]string{}
	for _, c := range must[[]container.Summary](e.t)(e.cli.ContainerList(e.t.Context(), container.ListOptions{All: true})) {
		states[slices.Min(c.Names)[1:]] = c.State
	}
	return states
}
