package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/rpc"
)

// codes says which code a class of engine errors has on the wire. A class that
// is not here is a defect: it is answered as an internal error, and logged.
var codes = map[engine.Class]api.Code{
	engine.Invalid:         api.CodeInvalidParams,
	engine.NotFound:        api.CodeNotFound,
	engine.Conflict:        api.CodeConflict,
	engine.Unavailable:     api.CodeUnavailable,
	engine.BuildFailed:     api.CodeBuildFailed,
	engine.NotRunning:      api.CodeNotRunning,
	engine.TooBusy:         api.CodeTooBusy,
	engine.LogsUnavailable: api.CodeLogsUnavailable,
	engine.StartFailed:     api.CodeStartFailed,
	engine.Cancelled:       api.CodeCancelled,
}

// wireError gives what is answered for an error, or nil for one that callers
// must not see. It is the only place where errors become codes.
func wireError(err error) *rpc.Error {
	var answered *rpc.Error
	if errors.As(err, &answered) {
		return answered
	}
	if known := apiError(err); known != nil {
		return &rpc.Error{Code: int(known.Code), Message: known.Message, Data: known.Data}
	}
	return nil
}

// apiError is wireError for those who keep the error.
func apiError(err error) *api.Error {
	var known *api.Error
	var engines *engine.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &engines):
		code, ok := codes[engines.Class]
		if !ok {
			return nil
		}
		data := engines.Data
		if code == api.CodeUnavailable {
			data.Reason = engines.Reason
		}
		return api.NewError(code, engines.Reason, data)
	case errors.Is(err, context.Canceled):
		return api.NewError(api.CodeCancelled, "", api.ErrorData{})
	case errors.Is(err, context.DeadlineExceeded):
		return api.NewError(api.CodeUnavailable, "the engine did not answer in time", api.ErrorData{Outcome: api.OutcomeUnknown})
	}
	return nil
}

func methodNotFound(format string, args ...any) error {
	return api.NewError(api.CodeMethodNotFound, fmt.Sprintf(format, args...), api.ErrorData{})
}

// forbidden refuses the call.
func (c *call) forbidden(reason string) *api.Error {
	return api.NewError(api.CodeForbidden, reason, api.ErrorData{Method: clip(c.Method()), Scope: c.method.scope.String()})
}

func invalidParam(param, reason string) error {
	return api.NewError(api.CodeInvalidParams, reason, api.ErrorData{Param: param})
}
