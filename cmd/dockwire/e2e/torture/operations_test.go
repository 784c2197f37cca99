package torture

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
)

// operation is one that the daemon can be killed in. To torture another, add it
// to operations.
type operation struct {
	name     string
	fetches  bool                   // the requests to be killed at are those to the git server
	given    func(*slaughter)       // what there is before
	do       func(*slaughter) error // what the daemon is killed in; a connection that breaks is an error
	told     string                 // the state of the container when it has answered
	survives func(*slaughter)       // what has to hold after the next start
}

var operations = []operation{
	{name: "create", given: nothing, do: creating(nil), told: api.StateRunning, survives: (*slaughter).usable},
	{name: "start", given: stopped, do: calling((*client.Client).Start), told: api.StateRunning, survives: kept},
	{name: "stop", given: running, do: calling(stop), told: api.StateExited, survives: kept},
	{name: "restart", given: running, do: calling(restart), told: api.StateRunning, survives: kept},
	{name: "remove", given: running, do: calling(remove), told: "absent", survives: (*slaughter).usable},
	{name: "update", given: running, do: calling(update), told: api.StateRunning, survives: kept},
	{name: "rollback", given: updated, do: calling(rollback), told: api.StateRunning, survives: kept},
	{name: "build", given: nothing, do: building, told: "absent", survives: builtOrInterrupted},
	{name: "clone", fetches: true, given: nothing, do: building, told: "absent", survives: builtOrInterrupted},
	{name: "create-shared", given: nothing, do: creating(func(p *api.CreateParams) { p.Network = "shared" }), told: api.StateRunning, survives: (*slaughter).usable},
	{name: "create-only", given: nothing, do: creating(func(p *api.CreateParams) { p.Start = ptr(false) }), told: api.StateCreated, survives: (*slaughter).usable},
}

func nothing(*slaughter) {}

// params are those of the container at hand: with all that can be half-made.
func (s *slaughter) params() api.CreateParams {
	return api.CreateParams{Image: "app", Name: s.name, Domain: s.name + ".example", Volumes: []string{s.name + ":/data"}}
}

func stopped(s *slaughter) { given(s, false) }

func running(s *slaughter) { given(s, true) }

func given(s *slaughter, running bool) {
	s.Helper()
	c := s.client()
	defer c.Close()
	p := s.params()
	p.Start = &running
	must[api.Container](s)(c.Create(s.Context(), p))
}

func updated(s *slaughter) {
	s.Helper()
	running(s)
	if err := calling(update)(s); err != nil {
		s.Fatal(err)
	}
}

func creating(change func(*api.CreateParams)) func(*slaughter) error {
	return calling(func(c *client.Client, ctx context.Context, s string) (api.Container, error) {
		p := (&slaughter{name: s}).params()
		if change != nil {
			change(&p)
		}
		return c.Create(ctx, p)
	})
}

func stop(c *client.Client, ctx context.Context, name string) (api.Container, error) {
	return c.Stop(ctx, name, api.StopParams{})
}

func restart(c *client.Client, ctx context.Context, name string) (api.Container, error) {
	return c.Restart(ctx, name, api.StopParams{})
}

func update(c *client.Client, ctx context.Context, name string) (api.Container, error) {
	return c.Update(ctx, name, api.UpdateParams{}, nil)
}

func rollback(c *client.Client, ctx context.Context, name string) (api.Container, error) {
	return c.Rollback(ctx, name, nil)
}

func remove(c *client.Client, ctx context.Context, name string) (api.Container, error) {
	return c.Remove(ctx, api.RemoveParams{Name: name, Volumes: true})
}

// calling makes a call on a connection of its own, that is not made again.
func calling(call func(*client.Client, context.Context, string) (api.Container, error)) func(*slaughter) error {
	return func(s *slaughter) error {
		c := s.client()
		defer c.Close()
		_, err := call(c, s.Context(), s.name)
		return err
	}
}

// kept is usable, for a container that must not be lost.
func kept(s *slaughter) {
	s.Helper()
	c := s.client()
	defer c.Close()
	if s.find(c) == nil {
		s.Fatalf("the container %s is lost", s.name)
	}
	s.usable()
}

func building(s *slaughter) error {
	c := s.client()
	defer c.Close()
	return c.Call(s.Context(), "build", api.BuildParams{Name: s.name, URL: s.url}, nil, func(_ string, params json.RawMessage) error {
		var out api.Output
		err := json.Unmarshal(params, &out)
		s.cursor = out.Cursor
		return err
	})
}

// builtOrInterrupted sees that a build that the daemon did not end is marked and
// answered so, and that it can be built again.
func builtOrInterrupted(s *slaughter) {
	s.Helper()
	c := s.client()
	defer c.Close()
	infos := must[[]api.BuildInfo](s)(c.Builds(s.Context()))
	for _, info := range infos {
		if info.Name == s.name && info.State != api.BuildInterrupted && info.State != api.BuildSucceeded {
			s.Errorf("the build of %s is %s", s.name, info.State)
		}
		if info.Name == s.name && info.State == api.BuildInterrupted && s.cursor != "" {
			_, err := c.Build(s.Context(), api.BuildParams{Name: s.name, URL: s.url, After: s.cursor}, nil)
			if !errors.Is(err, api.CodeBuildFailed) || !strings.Contains(err.Error(), "start it again") {
				s.Errorf("the interrupted build is answered with %v", err)
			}
		}
	}
	built := must[api.Build](s)(c.Build(s.Context(), api.BuildParams{Name: s.name, URL: s.url}, nil))
	if built.ID == "" {
		s.Errorf("built again it is %+v", built)
	}
}
