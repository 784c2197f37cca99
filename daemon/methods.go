package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// allMethods makes the method table.
func allMethods() methodTable {
	return newMethodTable(
		define("build", access.Deploy, "Build an image from a git repository.", traits[api.BuildParams]{
			event:   api.EventBuild,
			errors:  []api.Code{api.CodeNotFound, api.CodeConflict, api.CodeBuildFailed},
			streams: true,
			check:   checkBuild,
			claims:  buildClaims,
			keeps:   true,
		}, build),
		define("builds", access.Read, "List the builds that wait, run, or ended lately, newest first.", traits[api.NoParams]{}, listBuilds),
		define("cancelBuild", access.Deploy, "Stop a build, for all who wait for it.", traits[api.CancelBuildParams]{
			errors: []api.Code{api.CodeNotFound},
			about:  func(p *api.CancelBuildParams) string { return p.ID },
		}, cancelBuild),
		define("images", access.Read, "List the images that were built.", traits[api.NoParams]{}, images),
		define("removeImage", access.Deploy, "Remove an image that no container uses.", traits[api.RemoveImageParams]{
			errors: []api.Code{api.CodeNotFound, api.CodeConflict},
			claims: func(_ string, p *api.RemoveImageParams) []claim { return []claim{imageClaim(p.Name, "")} },
		}, removeImage),
		define("create", access.Deploy, "Create a container from an image, and start it.", traits[api.CreateParams]{
			errors:  []api.Code{api.CodeNotFound, api.CodeConflict, api.CodeStartFailed},
			check:   checkCreate,
			claims:  createClaims,
			prepare: prepareCreate,
		}, create),
		define("list", access.Read, "List the containers, or follow how the list changes.", traits[api.ListParams]{
			event:   api.EventList,
			follows: func(p *api.ListParams) bool { return p.Follow },
			result:  reflect.TypeFor[[]api.Container](),
		}, list),
		define("remove", access.Deploy, "Stop and remove a container.", traits[api.RemoveParams]{
			errors: []api.Code{api.CodeNotFound},
			claims: func(_ string, p *api.RemoveParams) []claim { return []claim{containerClaim(p.Name)} },
		}, remove),

		define("NAME/diff", access.Read, "List the files that differ from the image's.", traits[api.DiffParams]{}, ofLive(diff)),
		define("NAME/image", access.Read, "Show the image that the container was made from.", traits[api.NoParams]{}, ofLive(image)),
		define("NAME/inspect", access.Read, "Show all there is to know of the container.", traits[api.NoParams]{}, ofLive(inspect)),
		define("NAME/logs", access.Read, "Read the container's log, or follow it: on a single engine that of NAME alone, for its replicas NAME-2 and so on have their own.", traits[api.LogsParams]{
			event:   api.EventLogs,
			errors:  []api.Code{api.CodeLogsUnavailable},
			follows: func(p *api.LogsParams) bool { return p.Follow },
			check:   func(d *Daemon, _ *call, p *api.LogsParams) error { return d.engine.CheckLogs(*p) },
		}, ofLive(logs)),
		define("NAME/restart", access.Deploy, "Stop the container and start it again.", traits[api.StopParams]{
			errors: []api.Code{api.CodeStartFailed},
			claims: onContainer[api.StopParams],
		}, ofLive(restart)),
		define("NAME/rollback", access.Deploy, "Go back to the container that the last update replaced.", traits[api.NoParams]{
			event:   api.EventRollback,
			errors:  []api.Code{api.CodeNotFound, api.CodeStartFailed},
			streams: true,
			claims:  onContainer[api.NoParams],
			keeps:   true,
		}, rollbackContainer),
		define("NAME/scale", access.Deploy, "Change how many replicas of the container run.", traits[api.ScaleParams]{
			errors: []api.Code{api.CodeStartFailed},
			claims: onContainer[api.ScaleParams],
		}, ofLive(scale)),
		define("NAME/start", access.Deploy, "Start the container, unless it runs.", traits[api.NoParams]{
			errors: []api.Code{api.CodeStartFailed},
			claims: onContainer[api.NoParams],
		}, ofLive(start)),
		define("NAME/stop", access.Deploy, "Stop the container, if it runs.", traits[api.StopParams]{
			claims: onContainer[api.StopParams],
		}, ofLive(stop)),
		define("NAME/top", access.Read, "Show what the container uses, or follow it.", traits[api.TopParams]{
			event:   api.EventTop,
			errors:  []api.Code{api.CodeNotRunning},
			check:   func(d *Daemon, _ *call, p *api.TopParams) error { return d.engine.CheckTop(*p) },
			follows: func(p *api.TopParams) bool { return p.Follow },
		}, ofLive(top)),
		define("NAME/update", access.Deploy, "Replace the container by one of a newer image, without a failed request.", traits[api.UpdateParams]{
			event:   api.EventUpdate,
			errors:  []api.Code{api.CodeNotFound, api.CodeConflict, api.CodeStartFailed},
			streams: true,
			check:   completeUpdate,
			claims:  updateClaims,
			keeps:   true,
		}, updateContainer),

		define("rpc.discover", access.Read, "Describe all methods, as an OpenRPC document.", traits[api.NoParams]{}, discover),
	)
}

// The classes of claims that go side by side.
const (
	classBuild = "build"
	classUse   = "use"
	classFree  = "free" // waits for nothing, and nothing waits for it
)

func onContainer[P any](name string, _ *P) []claim { return []claim{containerClaim(name)} }

func createClaims(_ string, p *api.CreateParams) []claim {
	// A name is its creator's by itself, whosever sibling has it at the moment.
	claims := []claim{containerClaim(p.Name), imageClaim(p.Image, classUse), {"name", p.Name, classFree}}
	if p.Network != "" {
		claims = append(claims, claim{"network", p.Network, classFree})
	}
	if p.Domain != "" {
		claims = append(claims, claim{"domain", p.Domain, classFree})
	}
	for _, volume := range p.Volumes {
		name, _, _ := strings.Cut(volume, ":")
		claims = append(claims, claim{"volume", name, classFree})
	}
	return claims
}

// checkCreate refuses a container the names that the daemon itself goes by: who
// calls it there, at the port of the ingress, would get the app, with a certificate
// that is right, and may show it a token.
func checkCreate(d *Daemon, _ *call, p *api.CreateParams) error {
	for _, host := range d.cfg.hosts() {
		switch {
		case strings.EqualFold(p.Domain, host):
			return invalidParam("domain", fmt.Sprintf("domain %q is not allowed: the daemon itself goes by it; choose another", host))
		case strings.EqualFold(p.Name+"."+d.cfg.Domain, host):
			return invalidParam("name", fmt.Sprintf("name %q is not allowed: its domain would be %s, which the daemon itself goes by; choose another", p.Name, host))
		}
	}
	return nil
}

func create(ctx context.Context, d *Daemon, c *call, p *api.CreateParams) (api.Container, error) {
	return d.engine.Create(ctx, *p, c.caller.Owner())
}

// prepareCreate lets an engine that can do something for a create do it while the
// image is built.
func prepareCreate(ctx context.Context, d *Daemon, c *call, p *api.CreateParams) (undo func()) {
	if e, can := d.engine.(preparer); can {
		return e.Prepare(ctx, *p, c.caller.Owner())
	}
	return func() {}
}

func remove(ctx context.Context, d *Daemon, c *call, p *api.RemoveParams) (api.Container, error) {
	if err := d.coverLive(ctx, c, p); err != nil {
		return api.Container{}, err
	}
	if err := d.coverVolumes(ctx, c, p); err != nil {
		return api.Container{}, err
	}
	return d.engine.Remove(ctx, p.Name, p.Volumes)
}

func images(ctx context.Context, d *Daemon, c *call, _ *api.NoParams) ([]api.Image, error) {
	all, err := d.engine.Images(ctx)
	return d.seenImages(c.caller, all), err
}

func removeImage(ctx context.Context, d *Daemon, _ *call, p *api.RemoveImageParams) (api.Image, error) {
	return d.engine.RemoveImage(ctx, p.Name)
}

func list(ctx context.Context, d *Daemon, c *call, p *api.ListParams) (json.RawMessage, error) {
	switch {
	case p.Follow:
		return nil, d.followList(ctx, c)
	case c.caller.Names.All():
		return d.engine.List(ctx, nil)
	}
	return d.engine.List(ctx, d.sees(c.caller))
}

func diff(ctx context.Context, d *Daemon, c *call, p *api.DiffParams) ([]api.Change, error) {
	return d.engine.Diff(ctx, c.name, p.Path)
}

func image(ctx context.Context, d *Daemon, c *call, _ *api.NoParams) (api.Image, error) {
	found, err := d.engine.Image(ctx, c.name)
	return d.seenImage(c.caller, found), err
}

func inspect(ctx context.Context, d *Daemon, c *call, _ *api.NoParams) (api.Inspect, error) {
	doc, err := d.engine.Inspect(ctx, c.name, c.caller.Scope.Allows(access.Admin))
	if err == nil && !c.caller.Scope.Allows(access.Deploy) {
		for key := range doc.Configuration.Environment {
			doc.Configuration.Environment[key] = nil
		}
	}
	doc.ImageDetails = d.seenImage(c.caller, doc.ImageDetails)
	doc.Pool = seen(c.caller, d.ingress.Pool(doc.Domain), func(m api.PoolMember) string { return d.lead(m.Name) })
	return doc, err
}

func logs(ctx context.Context, d *Daemon, c *call, p *api.LogsParams) (api.LogsResult, error) {
	if p.Follow {
		return d.followLogs(ctx, c, p)
	}
	return d.engine.Logs(ctx, c.name, *p)
}

func restart(ctx context.Context, d *Daemon, c *call, p *api.StopParams) (api.Container, error) {
	return d.engine.Restart(ctx, c.name, p.Timeout)
}

func scale(ctx context.Context, d *Daemon, c *call, p *api.ScaleParams) (api.Container, error) {
	return d.engine.Scale(ctx, c.name, p.Replicas)
}

func start(ctx context.Context, d *Daemon, c *call, _ *api.NoParams) (api.Container, error) {
	return d.engine.Start(ctx, c.name)
}

func stop(ctx context.Context, d *Daemon, c *call, p *api.StopParams) (api.Container, error) {
	return d.engine.Stop(ctx, c.name, p.Timeout)
}

func top(ctx context.Context, d *Daemon, c *call, p *api.TopParams) (api.Usage, error) {
	if p.Follow {
		return d.followTop(ctx, c, p)
	}
	return d.engine.Top(ctx, c.name)
}
