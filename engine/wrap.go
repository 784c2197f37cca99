package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
)

// readTimeout is how long a plain question to the engine may take. A caller is
// promised to learn within two seconds that it is away.
const readTimeout = 1800 * time.Millisecond

// wrap gives the *Error for what the engine's client library said about a call
// that changes nothing. The format is the sentence for a failure that has none
// of its own; kind and name say what the call was about. The errors of a
// context, and what is an *Error already, pass through.
func (e *Engine) wrap(err error, kind, name, format string, args ...any) error {
	sentence := fmt.Sprintf(format, args...)
	if errors.Is(err, errSilent) { // which speaks for a change
		return unavailable(err, api.OutcomeNone, "%s: the engine does not answer any more: see whether it hangs or is overloaded", sentence)
	}
	return wrap(err, api.OutcomeNone, kind, name, sentence)
}

// wrapMutation is wrap for a call that changes something: when the connection
// was lost after it had been sent, nobody knows whether the engine did it.
func (e *Engine) wrapMutation(err error, kind, name, format string, args ...any) error {
	outcome := api.OutcomeUnknown
	if unsent(err) {
		outcome = api.OutcomeNone
	}
	return wrap(err, outcome, kind, name, fmt.Sprintf(format, args...))
}

func wrap(err error, outcome, kind, name, sentence string) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case lost(err):
		return unavailable(err, outcome, "%s: the engine cannot be reached", sentence)
	}
	wrapped := &Error{Reason: sentence, Data: api.ErrorData{Kind: kind, Name: name}, Err: err}
	switch {
	case diskFull(err):
		wrapped.Class, wrapped.Data = TooBusy, api.ErrorData{Limit: "disk"}
		wrapped.Reason += ": the engine's disk is full"
	case errdefs.IsNotFound(err):
		wrapped.Class, wrapped.Reason = NotFound, fmt.Sprintf("there is no %s called %s", kind, quote(name))
	case errdefs.IsConflict(err):
		wrapped.Class = Conflict
	}
	return wrapped
}

func unavailable(err error, outcome, format string, args ...any) *Error {
	return &Error{Class: Unavailable, Reason: fmt.Sprintf(format, args...), Data: api.ErrorData{Outcome: outcome}, Err: err}
}

// lost says whether the engine could not be reached, or went away before it had
// answered.
func lost(err error) bool {
	var op *net.OpError
	return client.IsErrConnectionFailed(err) || errors.As(err, &op) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// unsent says whether a call failed before the engine can have seen it. The
// client library hides a refused connection behind an error without a cause.
func unsent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "dial"
	}
	var sent *url.Error
	return client.IsErrConnectionFailed(err) && !errors.As(err, &sent)
}

func diskFull(err error) bool { return strings.Contains(err.Error(), "no space left on device") }

// ask puts a question to the engine that has readTimeout for its answer.
func ask[T any](ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	return within(ctx, readTimeout, question)
}

// within puts a question to the engine that has a time for its answer.
func within[T any](ctx context.Context, limit time.Duration, question func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := question(bounded)
	err = unanswered(err)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = unavailable(err, api.OutcomeNone, "the engine did not answer within %v: see whether it is overloaded", limit)
	}
	return answer, err
}

// unanswered gives the error of a request to which no answer began. A connection
// that was closed in place of one is no io.EOF, which is how answers end. What says
// already what it means stays.
func unanswered(err error) error {
	var known *Error
	if errors.Is(err, io.EOF) && !errors.As(err, &known) {
		return fmt.Errorf("%w: the connection was closed in place of an answer", io.ErrUnexpectedEOF)
	}
	return err
}

// quote shows a caller's text in a sentence, cut when it is long.
func quote(s string) string {
	const longest = 64
	if len(s) > longest {
		return fmt.Sprintf("%.*q…", longest, s)
	}
	return fmt.Sprintf("%q", s)
}
