package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// start starts a container. A command that is not there is found before: with
// an init as process 1 the engine would call that a good start.
func (e *Engine) start(ctx context.Context, id, name string) error {
	c, err := e.cli.ContainerInspect(ctx, id)
	if err != nil {
		return e.wrapMutation(err, kindContainer, name, "%s could not be started", name)
	}
	if c.State.Status == container.StateCreated && c.HostConfig.Init != nil && *c.HostConfig.Init {
		if err := e.checkCommand(ctx, c, name); err != nil {
			return err
		}
	}
	return e.startError(ctx, e.cli.ContainerStart(ctx, id, container.StartOptions{}), id, name)
}

// startError maps what the engine said to a start. What has no class of its own
// is the container's fault.
func (e *Engine) startError(ctx context.Context, err error, id, name string) error {
	err = e.wrapMutation(err, kindContainer, name, "%s could not be started", name)
	var known *Error
	if !errors.As(err, &known) || known.Class != Internal {
		return err
	}
	known.Class = StartFailed
	known.Reason += ": " + startReason(known.Err)
	if c, err := e.cli.ContainerInspect(ctx, id); err == nil {
		known.Data.ExitCode = &c.State.ExitCode
	}
	return known
}

// execFailure is what the runtime says of a command that it cannot run. The
// rest of its sentence is about the host.
var execFailure = regexp.MustCompile(`exec: ("[^"]*": .*?)(: unknown)?$`)

func startReason(err error) string {
	if found := execFailure.FindStringSubmatch(err.Error()); found != nil {
		return found[1] + ": check command, or the image's ENTRYPOINT and CMD"
	}
	return "the engine refused its configuration"
}

// The exit codes of a shell for a command that it cannot run.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// checkCommand says whether the container's command is a file that can be run.
func (e *Engine) checkCommand(ctx context.Context, c container.InspectResponse, name string) error {
	code, reason := exitNotFound, "is not in the image"
	for _, file := range commandFiles(c) {
		mode, err := e.modeOf(ctx, c.ID, file)
		switch {
		case errdefs.IsNotFound(err):
			continue
		case err != nil:
			return e.wrap(err, kindContainer, name, "%s could not be started", name)
		case mode.IsRegular() && mode&0o111 != 0:
			return nil
		}
		code, reason = exitNotExecutable, "is not an executable file"
	}
	return &Error{
		Class:  StartFailed,
		Reason: fmt.Sprintf("%s could not be started: its command %s %s: check command, or the image's ENTRYPOINT and CMD", name, quote(c.Path), reason),
		Data:   api.ErrorData{Kind: kindContainer, Name: name, ExitCode: &code},
	}
}

// commandFiles gives the files that the container's command may mean, as execvp
// looks for them.
func commandFiles(c container.InspectResponse) []string {
	if strings.Contains(c.Path, "/") {
		return []string{inDir(c.Config.WorkingDir, c.Path)}
	}
	search := defaultPath
	for _, variable := range c.Config.Env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			search = value
		}
	}
	var files []string
	for dir := range strings.SplitSeq(search, ":") {
		files = append(files, inDir(c.Config.WorkingDir, path.Join(dir, c.Path)))
	}
	return files
}

func inDir(dir, file string) string {
	if path.IsAbs(file) {
		return path.Clean(file)
	}
	return path.Join("/", dir, file)
}

// modeOf gives the mode of a file in the container, symbolic links followed.
func (e *Engine) modeOf(ctx context.Context, id, file string) (fs.FileMode, error) {
	stat, err := e.cli.ContainerStatPath(ctx, id, file)
	if err == nil && stat.Mode&fs.ModeSymlink != 0 {
		stat, err = e.cli.ContainerStatPath(ctx, id, stat.LinkTarget)
	}
	return stat.Mode, err
}
