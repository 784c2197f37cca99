package engine

import (
	"errors"
	"fmt"

	"github.com/dockwire/dockwire/client/api"
)

// Class says what a caller can do about an Error.
type Class int

// The classes of errors.
const (
	Internal        Class = iota // a defect of ours, or something that the engine should never say
	Invalid                      // a parameter is not allowed: Data.Param
	NotFound                     // Data.Kind, Data.Name
	Conflict                     // Data.Kind, Data.Name, Data.Holder
	Unavailable                  // the engine cannot be reached: Data.Outcome
	BuildFailed                  // Data.Step, Data.ExitCode, Data.Lines
	NotRunning                   // the container has to run for this
	TooBusy                      // a limit was reached: Data.Limit
	LogsUnavailable              // the container's log cannot be read
	StartFailed                  // Data.ExitCode, Data.Lines
	Cancelled                    // the work was cancelled by somebody else
)

// Error is an error that a caller can act on. Every error of this package is
// one, but for those of a context that ended.
type Error struct {
	Class  Class
	Reason string        // a sentence: what happened, to which name, what to do
	Data   api.ErrorData // the details that the class names
	Err    error         // the cause, for the log; never shown to a caller
}

// Error gives the sentence.
func (e *Error) Error() string { return e.Reason }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// classOf gives the class of an error; one that is not an *Error is Internal.
func classOf(err error) Class {
	var known *Error
	if errors.As(err, &known) {
		return known.Class
	}
	return Internal
}

func invalid(param, format string, args ...any) *Error {
	return &Error{Class: Invalid, Reason: fmt.Sprintf(format, args...), Data: api.ErrorData{Param: param}}
}

func notFound(kind, name, format string, args ...any) *Error {
	return &Error{Class: NotFound, Reason: fmt.Sprintf(format, args...), Data: api.ErrorData{Kind: kind, Name: name}}
}

func conflict(kind, name, holder, format string, args ...any) *Error {
	return &Error{Class: Conflict, Reason: fmt.Sprintf(format, args...), Data: api.ErrorData{Kind: kind, Name: name, Holder: holder}}
}
