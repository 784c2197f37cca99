package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon"
	"github.com/dockwire/dockwire/daemon/access"
)

// The exit codes; the help of the root command says what they mean.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitBuildFailed = 6
	exitForbidden   = 7
	exitInterrupted = 130
)

// exits says which error ends with which code; what is not here ends with
// exitFailed.
var exits = []struct {
	err  error
	code int
}{
	{context.Canceled, exitInterrupted},
	{errUsage, exitUsage},
	{daemon.ErrConfig, exitUsage},
	{api.CodeInvalidParams, exitUsage},
	{api.CodeParseError, exitUsage},
	{client.ErrUnreachable, exitUnreachable},
	{client.ErrLost, exitUnreachable},
	{api.CodeUnavailable, exitUnreachable},
	{api.CodeNotFound, exitNotFound},
	{api.CodeMethodNotFound, exitNotFound},
	{access.ErrNoToken, exitNotFound},
	{access.ErrNoState, exitNotFound},
	{api.CodeConflict, exitConflict},
	{api.CodeBuildFailed, exitBuildFailed},
	{client.ErrRefused, exitForbidden},
	{api.CodeForbidden, exitForbidden},
}

// errUsage is in the error of a command that was called in a wrong way.
var errUsage = errors.New("wrong usage")

// usage is an error about how the command was called.
type usage string

func (u usage) Error() string        { return string(u) }
func (u usage) Is(target error) bool { return target == errUsage }

func usagef(format string, args ...any) error { return usage(fmt.Sprintf(format, args...)) }

func (a *app) exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case !a.started:
		return exitUsage
	}
	for _, exit := range exits {
		if errors.Is(err, exit.err) {
			return exit.code
		}
	}
	return exitFailed
}

// complain prints an error as a sentence, with the last lines of what failed if
// nobody has seen them.
func (a *app) complain(err error) {
	if errors.Is(err, context.Canceled) {
		a.note("interrupted")
		return
	}
	var answer *api.Error
	if errors.As(err, &answer) && answer.Data != nil && answer.Code != api.CodeBuildFailed {
		a.lines(a.stderr, answer.Data.Lines)
	}
	a.note("%s", err)
}
