package daemon

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/builds"
	"github.com/dockwire/dockwire/engine"
)

// imageClaim claims an image, whichever build of it is named.
func imageClaim(image, class string) claim {
	return claim{kind: "image", name: imageName(image), class: class}
}

// imageName gives the name in NAME:COMMIT, and in the reference of an image that
// was not built here.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}

// buildClaims keeps what uses the image waiting until the build has ended. To
// take a build up again waits for nothing.
func buildClaims(_ string, p *api.BuildParams) []claim {
	if p.After != "" {
		return []claim{imageClaim(p.Name, classFree)}
	}
	return []claim{imageClaim(p.Name, classBuild)}
}

func checkBuild(d *Daemon, _ *call, p *api.BuildParams) error {
	checked, err := d.engine.CheckBuild(*p)
	if err == nil {
		*p = checked
	}
	return err
}

// build starts a build or takes one up, and answers when it has ended. The
// build belongs to the daemon: a caller that goes away does not stop it, one
// that cancels does if it was the last.
func build(ctx context.Context, d *Daemon, c *call, p *api.BuildParams) (api.Build, error) {
	job, after, detach, err := d.findOrStart(ctx, c, p)
	if err != nil {
		return api.Build{}, err
	}
	defer func() { detach(c.Cancelled()) }()
	seq := after
	if !c.Notification() {
		out := newStream(c, api.EventBuild, job.Name())
		out.build, out.seq = job.ID, after
		err = out.sendAll(ctx, job.Follow(ctx, after))
		seq = out.seq
	}
	if err == nil {
		err = wait(ctx, job)
	}
	if err != nil {
		return api.Build{}, endOfStream(err, seq, job.Cursor(seq))
	}
	return job.Result()
}

func wait(ctx context.Context, job *builds.Job) error {
	select {
	case <-job.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Daemon) findOrStart(ctx context.Context, c *call, p *api.BuildParams) (job *builds.Job, after int64, detach func(cancelled bool), err error) {
	if p.After != "" {
		return d.builds.Find(p.Name, p.After)
	}
	if err := c.turn.wait(ctx); err != nil {
		return nil, 0, nil, err
	}
	job, detach, err = d.builds.Start(*p)
	if err != nil {
		c.turn.leave()
		return nil, 0, nil, err
	}
	go func() {
		<-job.Done()
		c.turn.leave()
	}()
	return job, 0, detach, nil
}

// runBuild runs a job on the engine. Its errors are as callers get them.
func (d *Daemon) runBuild(ctx context.Context, p api.BuildParams, id string, out engine.BuildOutput) (api.Build, error) {
	result, err := d.engine.Build(ctx, p, id, out)
	if err == nil || ctx.Err() != nil { // the job knows why ctx ended
		return result, err
	}
	if known := apiError(err); known != nil {
		return result, known
	}
	ref := newRef()
	d.log.Error("a build failed for a reason that callers are not told", zap.String("ref", ref), zap.String("build", id), zap.Error(err))
	return result, api.NewError(api.CodeInternal, "", api.ErrorData{Ref: ref})
}

func listBuilds(_ context.Context, d *Daemon, c *call, _ *api.NoParams) ([]api.BuildInfo, error) {
	return seen(c.caller, d.builds.List(), func(b api.BuildInfo) string { return b.Name }), nil
}

// cancelBuild does not find a build that the caller may not know of.
func cancelBuild(ctx context.Context, d *Daemon, c *call, p *api.CancelBuildParams) (api.BuildInfo, error) {
	info, known := d.builds.Get(p.ID)
	if !known || !c.caller.Sees(info.Name) {
		return api.BuildInfo{}, api.NewError(api.CodeNotFound, fmt.Sprintf("there is no build with the id %q; builds lists them", p.ID),
			api.ErrorData{Kind: "build", Name: p.ID})
	}
	return d.builds.Cancel(ctx, p.ID)
}
