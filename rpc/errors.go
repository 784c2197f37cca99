package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The codes that JSON-RPC 2.0 defines, the one that the Language Server
// Protocol gave to cancelled calls, and the one for a limit that was reached.
const (
	CodeParseError     = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
	CodeTooBusy        = -32007
	CodeCancelled      = -32800
)

// ErrClosed says that the connection has ended: the peer or this side closed
// it, or it was lost.
var ErrClosed = errors.New("the connection is closed")

// Error is the error that answers a call. On the server a handler returns one
// to choose what its caller sees; on the client Call returns the one that the
// server sent, with its data as a json.RawMessage.
type Error struct {
	Code    int
	Message string
	Data    any // anything that encoding/json encodes; nil for none
}

// Error gives the message, and the reason of the data if there is one.
func (e *Error) Error() string {
	var said errorData
	switch data := e.Data.(type) {
	case errorData:
		said = data
	case json.RawMessage:
		_ = json.Unmarshal(data, &said) // data of another shape has no reason to show
	}
	if said.Reason != "" {
		return e.Message + ": " + said.Reason
	}
	return e.Message
}

// errorData is the data of the errors that this package makes.
type errorData struct {
	Param  string `json:"param,omitempty"`
	Limit  string `json:"limit,omitempty"`
	Ref    string `json:"ref,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ParseError answers what is not a JSON text. The reason is for a person.
func ParseError(reason string) *Error {
	return &Error{CodeParseError, "Parse error", errorData{Reason: reason}}
}

// InvalidRequest answers JSON that is not a request.
func InvalidRequest(reason string) *Error {
	return &Error{CodeInvalidRequest, "Invalid Request", errorData{Reason: reason}}
}

// MethodNotFound answers a call of a method that does not exist.
func MethodNotFound(reason string) *Error {
	return &Error{CodeMethodNotFound, "Method not found", errorData{Reason: reason}}
}

// InvalidParams answers a call whose parameter of that name is not right.
func InvalidParams(param, reason string) *Error {
	return &Error{CodeInvalidParams, "Invalid params", errorData{Param: param, Reason: reason}}
}

// Internal answers a call that failed for a reason that is not its caller's to
// know. The ref, which may be empty, finds it in the server's log.
func Internal(ref string) *Error {
	if ref == "" {
		return &Error{CodeInternal, "Internal error", nil}
	}
	return &Error{CodeInternal, "Internal error", errorData{Ref: ref}}
}

// Cancelled answers a call that $/cancelRequest ended.
func Cancelled() *Error {
	return &Error{CodeCancelled, "Request cancelled", nil}
}

// tooBusy answers a call that a limit refused, unless Options.LimitError does.
func tooBusy(limit, reason string) *Error {
	return &Error{CodeTooBusy, fmt.Sprintf("Too busy: %s", reason), errorData{Limit: limit}}
}
