package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/builder"
	"github.com/dockwire/dockwire/engine/git"
	"github.com/dockwire/dockwire/engine/lines"
)

// BuildOutput takes what a build says while it runs. Its methods are never
// called at the same time.
type BuildOutput interface {
	Line(stream, text string) // stream is api.Git, api.Stdout or api.Stderr; text is one line of valid UTF-8
	Commit(sha string)        // once, as soon as it is known
}

// Build fetches the repository, builds the image, and tags and labels it. If the
// same build of the same commit has given an image before, it is that one, unless
// p says NoCache or Pull. p has been through CheckBuild, and id goes into the
// image's labels. Of the result the fields Build, Seq and Cursor are left to the
// caller.
//
// When ctx ends the build is stopped: Build returns the cause once neither a
// process nor a clone nor a build at the engine is left.
func (e *Engine) Build(ctx context.Context, p api.BuildParams, id string, out BuildOutput) (api.Build, error) {
	began, limits := time.Now(), e.cfg.BuildLimits.withDefaults()
	late := &Error{Class: BuildFailed, Reason: "the build took more than " + limits.Time.String() + " and was stopped", Data: api.ErrorData{Limit: "build.time"}}
	bounded, cancel := context.WithTimeoutCause(ctx, limits.Time, late)
	defer cancel()
	bounded, stop := e.whileDisksLast(bounded)
	defer stop()

	b := &imageBuild{Engine: e, p: p, id: id, out: out, limits: limits, began: began}
	if err := b.all(bounded); err != nil {
		return api.Build{}, err
	}
	image, err := b.made(ctx)
	if err != nil {
		return api.Build{}, e.wrap(err, kindImage, p.Name, "the image %s cannot be read", p.Name)
	}
	return api.Build{Name: p.Name, ID: image.ID, URL: p.URL, Ref: p.Ref, Commit: b.commit, Size: image.Size, Seconds: time.Since(began).Seconds()}, nil
}

// imageBuild is one call of Build.
type imageBuild struct {
	*Engine
	p      api.BuildParams
	id     string
	out    BuildOutput
	limits BuildLimits
	began  time.Time
	commit string
}

func (b *imageBuild) tag(version string) string { return b.repository + b.p.Name + ":" + version }

func (b *imageBuild) all(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		return err
	}
	if err := b.checkDisks(); err != nil {
		return err
	}
	if err := b.checkTag(ctx, "latest"); err != nil {
		return err
	}
	source, err := b.fetch(ctx)
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	if err := b.checkTag(ctx, b.commit); err != nil {
		return err
	}
	files, err := b.files(ctx, source)
	if err != nil {
		return err
	}
	if err := b.build(ctx, source, files); err != nil {
		return err
	}
	pruning, cancel := b.untilSilent(context.WithoutCancel(ctx))
	defer cancel()
	b.prune(pruning, b.p.Name)
	return nil
}

// made gives the image, unless the engine falls silent.
func (b *imageBuild) made(ctx context.Context) (image.InspectResponse, error) {
	ctx, cancel := b.untilSilent(ctx)
	defer cancel()
	found, err := b.cli.ImageInspect(ctx, b.tag(b.commit))
	return found, causeOf(ctx, err)
}

// fetch fetches the repository, and says so.
func (b *imageBuild) fetch(ctx context.Context) (*git.Snapshot, error) {
	client, err := b.gitClient()
	if err != nil {
		return nil, err
	}
	b.out.Line(api.Git, "Cloning "+b.p.URL+" at "+b.p.Ref)
	progress := lines.NewWriter(b.progress)
	source, err := client.Fetch(ctx, git.Request{URL: b.p.URL, Ref: b.p.Ref, Dir: b.p.Dir, Submodules: b.p.Submodules,
		Login: (*git.Login)(b.p.Credential), Progress: progress, Check: func(commit string) error { return b.reuse(ctx, commit) }})
	progress.Flush()
	if err != nil {
		return nil, gitError(err)
	}
	b.commit = source.Commit
	b.out.Commit(b.commit)
	b.out.Line(api.Git, "Commit "+b.commit+" of "+source.Time.Format(time.DateTime)+" UTC")
	return source, nil
}

// progress passes on what git says, but for where it stores a ref, and without
// what tells a terminal to erase.
func (b *imageBuild) progress(text string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\x1b[K", ""))
	if text == "" || strings.HasPrefix(text, "From ") || strings.HasSuffix(text, "-> FETCH_HEAD") {
		return
	}
	b.out.Line(api.Git, text)
}

// gitClient gives the client for one fetch. The credentials are read each time,
// so that a change of their file counts at once.
func (e *Engine) gitClient() (*git.Client, error) {
	policy, err := git.ParsePolicy(e.cfg.AllowGit)
	if err != nil {
		return nil, err
	}
	var credentials git.Credentials
	if e.cfg.GitCredentials != "" {
		if credentials, err = git.ReadCredentials(e.cfg.GitCredentials); err != nil {
			return nil, fmt.Errorf("the git credentials cannot be read: %w", err)
		}
	}
	return &git.Client{Policy: policy, Limits: git.DefaultLimits, Credentials: credentials, Cache: e.repositories,
		Temp: e.cfg.TempDir, Prefix: "dockwire-" + e.cfg.Instance + "-clone-"}, nil
}

// openClones removes the clones that a daemon of this instance left behind when
// it was killed, and finds those that are kept. No build may run.
func (e *Engine) openClones() error {
	client, err := e.gitClient()
	if err != nil {
		return err
	}
	if err := client.Clean(); err != nil || e.cfg.CacheDir == "" {
		return err
	}
	e.repositories, err = git.OpenCache(e.cfg.CacheDir, git.CacheLimits{Repositories: e.cfg.CacheRepositories, Bytes: e.cfg.CacheBytes})
	return err
}

// build streams the files to the engine, which builds the image.
func (b *imageBuild) build(ctx context.Context, source *git.Snapshot, files *contextFiles) error {
	network, remove, err := b.makeNetwork(ctx)
	if err != nil {
		return err
	}
	defer remove()
	recipe, bases := b.madeFrom(ctx, files)
	reader, writer := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := source.WriteTar(ctx, writer, files.keep)
		writer.CloseWithError(err)
		if err := source.Close(); err != nil { // already, so that the next build of it need not wait
			b.log.Warn("a clone could not be put away", zap.String("build", b.id), zap.Error(err))
		}
		sent <- err
	}()
	err = builder.Run(ctx, b.cli, b.options(network, recipe, bases), reader, b.out.Line)
	reader.CloseWithError(errNotWanted)
	return b.failure(ctx, err, <-sent, files)
}

func (b *imageBuild) options(network, recipe, bases string) builder.Options {
	return builder.Options{
		ID:      b.cfg.Instance + "-" + b.id,
		Classic: b.classic(),
		Network: network,
		Bounds:  b.limits.bounds(),
		Guard:   b.boundable() == nil,
		Warn: func(err error) {
			b.log.Error("a bound of a build is not kept", zap.String("build", b.id), zap.Error(err))
		},
		Tags: []string{b.tag("latest"), b.tag(b.commit)},
		Labels: map[string]string{
			labelInstance: b.cfg.Instance,
			labelKind:     kindImage,
			labelName:     b.p.Name,
			labelURL:      b.p.URL,
			labelRef:      b.p.Ref,
			labelCommit:   b.commit,
			labelBuild:    b.id,
			labelBuilt:    b.began.UTC().Format(time.RFC3339Nano),
			labelRecipe:   recipe,
			labelBases:    bases,
		},
		Dockerfile: b.p.Dockerfile,
		Target:     b.p.Target,
		Args:       b.p.Args,
		NoCache:    b.p.NoCache,
		Pull:       b.p.Pull,
	}
}

// classic says whether the classic builder is to be used: when it is asked for,
// or when the engine is too old for BuildKit. Engines do not reliably say
// whether they have it.
func (e *Engine) classic() bool {
	switch e.cfg.Builder {
	case "classic":
		return true
	case "buildkit":
		return false
	}
	return versions.LessThan(e.cli.ClientVersion(), "1.40")
}
