// Package builder has a Docker Engine build an image out of a tar stream, with
// BuildKit or with the classic builder, and hands over what the build says line
// by line, the same way for both.
package builder

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
)

// Options say what to build, and how.
type Options struct {
	ID         string // of the build, which no other at this engine has
	Classic    bool   // build with the classic builder, not with BuildKit
	Network    string // of the classic builder's steps, and of no others
	Bounds     Bounds
	Guard      bool        // bound BuildKit's steps, for which Boundable has to say nothing
	Warn       func(error) // is told of a step that could not be bounded; never at the same time
	Tags       []string
	Labels     map[string]string
	Dockerfile string // its path in the context
	Target     string
	Args       map[string]string
	NoCache    bool
	Pull       bool
}

// Failure is a build that the engine gave up: a step failed, or the Dockerfile
// is not right.
type Failure struct {
	Step     string // the instruction, if it is known
	ExitCode *int   // of a RUN step
	Message  string // the engine's
	Lines    []api.Line
}

// Error gives the engine's message.
func (f *Failure) Error() string { return f.Message }

// output makes lines of the messages of a build.
type output interface {
	take(message) error
	end()                     // no more messages come
	failure(message) *Failure // what became of a build that ended in an error
	await(*client.Client)     // returns when a build that was told to stop has stopped
}

// message is one of the stream that the engine answers a build with.
type message struct {
	ID     string          `json:"id"`
	Stream string          `json:"stream"`
	Status string          `json:"status"`
	Aux    json.RawMessage `json:"aux"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errorDetail"`
}

// Run builds, and calls line for each line as it comes, never twice at the same
// time. The context is a tar stream. The error is a *Failure if the engine gave
// the build up, or what the client library says. When ctx ends the build is
// stopped; Run returns the cause once it has ended at the engine.
func Run(ctx context.Context, cli *client.Client, o Options, tar io.Reader, line func(stream, text string)) error {
	if o.Classic {
		out := newSteps(o.Labels, line)
		out.begins = func(container string) { boundClassic(ctx, cli, container, o) }
		options := o.engine()
		options.AuthConfigs, options.NetworkMode = credentials(), o.Network
		return finish(ctx, cli, options, tar, out)
	}
	session, err := openSession(ctx, cli)
	if err != nil {
		return err
	}
	defer session.Close()
	options := o.engine()
	options.Version, options.SessionID, options.BuildID = build.BuilderBuildKit, session.ID(), o.ID
	if o.Guard {
		guard := newGuard(o, forgetsUlimits(cli))
		options.ExtraHosts = []string{guard.extraHost()}
		defer guard.start(ctx)()
	}
	out := newProgress(line)
	out.args = o.Args
	return finish(ctx, cli, options, tar, out)
}

// finish runs a build to its end, whatever that is.
func finish(ctx context.Context, cli *client.Client, options build.ImageBuildOptions, tar io.Reader, out output) error {
	err := run(ctx, cli, options, tar, out)
	out.end()
	if err != nil && ctx.Err() != nil {
		out.await(cli)
		return context.Cause(ctx)
	}
	return err
}

// run sends the request under a context of its own, so that the end of a
// stopped build can be read, too.
func run(ctx context.Context, cli *client.Client, options build.ImageBuildOptions, tar io.Reader, out output) error {
	request, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	ended := make(chan struct{})
	defer close(ended)
	defer context.AfterFunc(ctx, func() { stop(cli, options.BuildID, ended, hangUp) })()

	response, err := cli.ImageBuild(request, tar, options)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return read(response.Body, out)
}

// The time that a build has to end by itself after it was told to, and the time
// between two such words: the first may come before the engine knows the build.
const (
	grace  = 10 * time.Second
	nudges = 200 * time.Millisecond
)

// stop has BuildKit cancel the build, and drops the request if that takes too
// long. The classic builder knows only the latter.
func stop(cli *client.Client, id string, ended <-chan struct{}, hangUp func()) {
	defer hangUp()
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for {
		if err := cli.BuildCancel(ctx, id); err != nil {
			return
		}
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-time.After(nudges):
		}
	}
}

// read reads the messages to their end.
func read(body io.Reader, out output) error {
	decoder := json.NewDecoder(body)
	for {
		var m message
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Error != nil {
			return out.failure(m)
		}
		if err := out.take(m); err != nil {
			return err
		}
	}
}

func (o Options) engine() build.ImageBuildOptions {
	options := build.ImageBuildOptions{
		Tags:        o.Tags,
		Labels:      o.Labels,
		Dockerfile:  o.Dockerfile,
		Target:      o.Target,
		BuildArgs:   map[string]*string{},
		NoCache:     o.NoCache,
		PullParent:  o.Pull,
		Remove:      true,
		ForceRemove: true,
		ShmSize:     shmSize,
		Ulimits:     []*container.Ulimit{{Name: "nofile", Soft: maxFiles, Hard: maxFiles}, {Name: "core"}},
		Memory:      o.Bounds.Memory,
		MemorySwap:  o.Bounds.Memory,
		CPUPeriod:   cpuPeriod,
		CPUQuota:    o.Bounds.cpuQuota(),
	}
	for name, value := range o.Args {
		options.BuildArgs[name] = &value
	}
	return options
}

// maxLines is how many of the last lines a Failure has.
const maxLines = 20

// last keeps the last lines.
type last []api.Line

func (l *last) add(stream, text string) {
	*l = append(*l, api.Line{Time: api.Time{Time: time.Now().UTC()}, Stream: stream, Text: text})
	if len(*l) > maxLines {
		*l = append((*l)[:0], (*l)[1:]...)
	}
}

// instruction gives the step of a name like "[build 2/3] RUN make".
func instruction(name string) string {
	if image, ok := strings.CutPrefix(name, "[internal] load metadata for "); ok {
		return "FROM " + image
	}
	if strings.HasPrefix(name, "[") {
		if _, step, ok := strings.Cut(name, "] "); ok {
			return step
		}
	}
	return name
}
