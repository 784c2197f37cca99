package api

import (
	"fmt"
	"maps"
	"slices"
)

// Code is the code of a JSON-RPC error. It is an error itself, so that
// errors.Is(err, api.CodeNotFound) asks what went wrong.
type Code int

// The codes of JSON-RPC 2.0.
const (
	CodeParseError     Code = -32700
	CodeInvalidRequest Code = -32600
	CodeMethodNotFound Code = -32601
	CodeInvalidParams  Code = -32602
	CodeInternal       Code = -32603
)

// The codes of dockwire.
const (
	CodeNotFound        Code = -32001 // data: kind, name
	CodeConflict        Code = -32002 // data: kind, name, holder
	CodeForbidden       Code = -32003 // data: method, scope
	CodeUnavailable     Code = -32004 // data: reason, outcome
	CodeBuildFailed     Code = -32005 // data: step, exitCode, lines
	CodeNotRunning      Code = -32006 // data: kind, name
	CodeTooBusy         Code = -32007 // data: limit
	CodeLogsUnavailable Code = -32008 // data: kind, name
	CodeStartFailed     Code = -32009 // data: kind, name, exitCode, lines
	CodeCancelled       Code = -32800 // data: seq, for a stream
)

var codeTexts = map[Code]string{
	CodeParseError:      "Parse error",
	CodeInvalidRequest:  "Invalid Request",
	CodeMethodNotFound:  "Method not found",
	CodeInvalidParams:   "Invalid params",
	CodeInternal:        "Internal error",
	CodeNotFound:        "Not found",
	CodeConflict:        "Conflict",
	CodeForbidden:       "Forbidden",
	CodeUnavailable:     "Engine unavailable",
	CodeBuildFailed:     "Build failed",
	CodeNotRunning:      "Not running",
	CodeTooBusy:         "Too busy",
	CodeLogsUnavailable: "Logs unavailable",
	CodeStartFailed:     "Start failed",
	CodeCancelled:       "Request cancelled",
}

// Error gives the words of the code, as its messages begin.
func (c Code) Error() string {
	if text, ok := codeTexts[c]; ok {
		return text
	}
	return fmt.Sprintf("error %d", int(c))
}

// Standard says whether the code is one of JSON-RPC 2.0 or of its
// conventions, whose message is always the same words. The sentence is then in
// data.reason.
func (c Code) Standard() bool {
	return c <= -32600 && c >= -32799 || c == CodeCancelled
}

// ErrorData is the data member of an error. Which members are there depends on
// the code.
type ErrorData struct {
	Reason   string `json:"reason,omitempty"`   // the sentence: what happened, and what to do
	Param    string `json:"param,omitempty"`    // the parameter that was refused
	Kind     string `json:"kind,omitempty"`     // what Name names: container, image, build, repository, ref, dockerfile, domain …
	Name     string `json:"name,omitempty"`     // the name that was asked for
	Holder   string `json:"holder,omitempty"`   // who has what was asked for
	Method   string `json:"method,omitempty"`   // the method that the token may not call
	Scope    string `json:"scope,omitempty"`    // the scope that the method needs
	Outcome  string `json:"outcome,omitempty"`  // "none": nothing was done; "unknown": the engine may have done it
	Step     string `json:"step,omitempty"`     // the build step that failed
	ExitCode *int   `json:"exitCode,omitempty"` // how the step or the container ended
	Lines    []Line `json:"lines,omitempty"`    // its last lines
	Limit    string `json:"limit,omitempty"`    // the limit that was reached
	Build    string `json:"build,omitempty"`    // the build's id
	Seq      *int64 `json:"seq,omitempty"`      // the last seq of the stream that ends with this error
	Cursor   string `json:"cursor,omitempty"`   // where it ended
	Ref      string `json:"ref,omitempty"`      // of an internal error: the id that the log has too
}

// Outcomes of a call that found the engine unavailable.
const (
	OutcomeNone    = "none"
	OutcomeUnknown = "unknown"
)

// Error is an error that the daemon answered.
type Error struct {
	Code    Code       `json:"code"`
	Message string     `json:"message"`
	Data    *ErrorData `json:"data,omitempty"`
}

// Error gives the sentence, after the words of the code.
func (e *Error) Error() string {
	if e.Data != nil && e.Data.Reason != "" && e.Code.Standard() {
		return e.Message + ": " + e.Data.Reason
	}
	return e.Message
}

// Is makes errors.Is(err, api.CodeNotFound) work.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// NewError makes an error of a sentence: it stands in data.reason for a
// standard code, and after the words of the code for one of ours.
func NewError(code Code, reason string, data ErrorData) *Error {
	e := &Error{Code: code, Message: code.Error(), Data: &data}
	if code.Standard() {
		data.Reason = reason
	} else if reason != "" {
		e.Message += ": " + reason
	}
	return e
}

// Codes gives all codes, in order.
func Codes() []Code {
	return slices.Sorted(maps.Keys(codeTexts))
}
