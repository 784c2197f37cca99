package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// Engine is what a daemon asks of what builds and runs: a Docker Engine, or a
// swarm of them. It is in names, images, lines and usage, and shows nothing of
// where they are. Its methods may be called at the same time; their errors are
// of type *engine.Error, or those of the context.
type Engine interface {
	liveState
	imageBuilder
	lifecycle
	observer

	// Run keeps the live state until ctx ends, and connects again by itself.
	Run(ctx context.Context) error

	// Check says whether there is an engine that answers, and if not why.
	Check(ctx context.Context) error

	Close() error
}

// liveState is the state of the containers in memory.
type liveState interface {
	Up() bool // the engine answers, and the state is as it said
	Container(name string) (c api.Container, known bool)
	Containers(ctx context.Context) ([]api.Container, error)
	List(ctx context.Context, seen func(name string) bool) (json.RawMessage, error)
	Changes(since uint64) (changed []api.Container, now uint64, whole bool)
	Changed() <-chan struct{}
	Leads(ctx context.Context, r engine.Route) error
}

type imageBuilder interface {
	CheckBuild(p api.BuildParams) (api.BuildParams, error)
	Build(ctx context.Context, p api.BuildParams, id string, out engine.BuildOutput) (api.Build, error)
	Images(ctx context.Context) ([]api.Image, error)
	Image(ctx context.Context, container string) (api.Image, error)
	RemoveImage(ctx context.Context, name string) (api.Image, error)
}

// lifecycle changes containers. What has begun finishes, whatever becomes of ctx.
type lifecycle interface {
	Create(ctx context.Context, p api.CreateParams, owner string) (api.Container, error)
	Start(ctx context.Context, name string) (api.Container, error)
	Stop(ctx context.Context, name string, timeout *float64) (api.Container, error)
	Restart(ctx context.Context, name string, timeout *float64) (api.Container, error)
	Scale(ctx context.Context, name string, replicas int) (api.Container, error)
	Remove(ctx context.Context, name string, volumes bool) (api.Container, error)

	// Update and Rollback tell how they go, sentence by sentence.
	Update(ctx context.Context, name string, p api.UpdateParams, tell func(string)) (api.Container, error)
	Rollback(ctx context.Context, name string, tell func(string)) (api.Container, error)
	NewestImage(name string) (image string, known bool)
}

// preparer is an engine that makes beforehand what a create needs whatever its
// image is. Undo gives up what no container has by then.
type preparer interface {
	Prepare(ctx context.Context, p api.CreateParams, owner string) (undo func())
}

type observer interface {
	Inspect(ctx context.Context, name string, full bool) (api.Inspect, error)
	Diff(ctx context.Context, name, path string) ([]api.Change, error)
	CheckLogs(p api.LogsParams) error
	Logs(ctx context.Context, name string, p api.LogsParams) (api.LogsResult, error)
	FollowLogs(ctx context.Context, name string, p api.LogsParams) iter.Seq2[engine.Chunk, error]
	CheckTop(p api.TopParams) error
	Top(ctx context.Context, name string) (api.Usage, error)
	FollowTop(ctx context.Context, name string, p api.TopParams) iter.Seq2[engine.UsageUpdate, error]
}

var (
	_ Engine = (*engine.Engine)(nil)
	_ Engine = (*engine.Swarm)(nil)
)

// The engines that there are.
const (
	engineDocker = "docker"
	engineSwarm  = "swarm"
	engineAuto   = "auto" // a swarm, if the engine manages an active one
)

// openEngine gives the engine that the configuration names.
func (c Config) openEngine(ctx context.Context, settings engine.Config) (Engine, error) {
	onSwarm, err := c.onSwarm(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("--engine auto has to ask the engine, say docker or swarm to start without it: %w", err)
	}
	if onSwarm {
		return engine.NewSwarm(settings)
	}
	return engine.New(settings)
}

// onSwarm says whether the engine that the configuration names is a swarm.
func (c Config) onSwarm(ctx context.Context, settings engine.Config) (bool, error) {
	if c.Engine == engineAuto {
		return engine.ManagesSwarm(ctx, settings)
	}
	return c.Engine == engineSwarm, nil
}
