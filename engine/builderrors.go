package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/builder"
	"github.com/dockwire/dockwire/engine/git"
)

// gitError gives the *Error for what went wrong with a repository.
func gitError(err error) error {
	var known *git.Error
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &Error{Class: Unavailable, Reason: "git is not installed where the daemon runs", Data: api.ErrorData{Outcome: api.OutcomeNone}, Err: err}
	case !errors.As(err, &known):
		return err
	}
	e := &Error{Class: NotFound, Reason: known.Reason, Data: api.ErrorData{Kind: string(known.Kind), Name: known.Name}, Err: err}
	switch known.Kind {
	case git.Refused, git.Unsafe:
		e.Class, e.Data = Invalid, api.ErrorData{Param: "url"}
	case git.Limit:
		e.Class, e.Data = TooBusy, api.ErrorData{Limit: "git." + known.Name}
		if known.Name == "disk" {
			e.Data.Limit = "disk" // as of any other full disk
		}
	case git.File:
		e.Data.Kind = "dockerfile"
		if strings.HasSuffix(known.Name, ".dockerignore") {
			e.Data.Kind = "dockerignore"
		}
	}
	return e
}

// errNotWanted is what the sender of a context gets when the engine wants no
// more of it.
var errNotWanted = errors.New("the engine does not want the rest of the context")

// notTaken says that a context was not sent whole because of who takes it: what
// became of the build says why. A connection that is lost in the middle closes the
// pipe itself.
func notTaken(sent error) bool {
	return errors.Is(sent, errNotWanted) || errors.Is(sent, io.ErrClosedPipe)
}

// failure gives the error of a build out of what the engine said, and what
// became of the context on its way there.
func (b *imageBuild) failure(ctx context.Context, err, sent error, files *contextFiles) error {
	var failed *builder.Failure
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case sent != nil && !notTaken(sent):
		return gitError(sent)
	case errors.As(err, &failed):
	case lost(err):
		return b.wrapMutation(err, kindImage, b.p.Name, "the build of %s was interrupted", b.p.Name)
	default:
		failed = &builder.Failure{Message: strings.TrimPrefix(err.Error(), "Error response from daemon: ")}
	}
	if diskFull(failed) {
		return b.wrap(failed, kindImage, b.p.Name, "the build of %s failed", b.p.Name)
	}
	return b.failed(failed, files)
}

// killed is the exit code of what the kernel ended, which it does to a step that
// has no memory left.
const killed = 137

func (b *imageBuild) failed(f *builder.Failure, files *contextFiles) *Error {
	step := f.Step
	if step == "" {
		step = files.instruction(f.Message)
	}
	var reason string
	switch {
	case f.ExitCode != nil && *f.ExitCode == killed:
		reason = fmt.Sprintf("the step %s was killed (exit code %d): it may have needed more than the %s of memory that a step has", quote(step), killed, units.BytesSize(float64(b.limits.Memory)))
	case f.ExitCode != nil:
		reason = fmt.Sprintf("the step %s ended with exit code %d", quote(step), *f.ExitCode)
	case step != "":
		reason = fmt.Sprintf("the step %s failed: %s", quote(step), f.Message)
	default:
		reason = f.Message
	}
	return &Error{Class: BuildFailed, Reason: reason, Data: api.ErrorData{Step: step, ExitCode: f.ExitCode, Lines: f.Lines}, Err: f}
}

// lineNumber is how the engine says where a Dockerfile is wrong.
var lineNumber = regexp.MustCompile(`parse error (?:on )?line (\d+)`)

// instruction gives the line of the Dockerfile that a message is about, if it
// says so.
func (f *contextFiles) instruction(message string) string {
	found := lineNumber.FindStringSubmatch(message)
	if found == nil {
		return ""
	}
	n, err := strconv.Atoi(found[1])
	all := bytes.Split(f.dockerfile, []byte("\n"))
	if err != nil || n < 1 || n > len(all) {
		return path.Base(f.path)
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(all[n-1])), "\ufffd")
}
