package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sourcegraph/jsonrpc2"
)

// Handler serves the calls of one connection.
type Handler interface {
	// Accept is called for every request and notification in the order in
	// which they were read, on the goroutine that reads the connection: it
	// must not block. It gives what serves the call, or the error that
	// answers it.
	Accept(call *Call) (Job, error)
}

// Job serves one call. The zero Job answers null.
type Job struct {
	// Run gives the result, on a goroutine of its own. Its ctx ends with
	// $/cancelRequest and with the connection.
	Run func(ctx context.Context) (any, error)

	// Drop, if there is one, is called instead of Run when the call will not
	// be served: a limit refused it, or it was cancelled, or its connection
	// ended, while it waited for its turn. Whatever Accept took for it is
	// given back here. It must not block.
	Drop func()

	// Stream says that the call lasts and sends notifications: it counts
	// against MaxStreams, not MaxCalls.
	Stream bool
}

// Call is one request or notification.
type Call struct {
	message
	session *session
	number  uint64 // what the call is known by inside
	batch   *batch // nil if it came alone
	place   int    // in the batch
	read    time.Time

	conn   *jsonrpc2.Conn
	life   context.Context // of the connection
	job    Job
	ctx    context.Context // of Run
	cancel context.CancelFunc

	cancelled bool // guarded by session.mu: $/cancelRequest has named it
	returned  bool // guarded by session.mu: Run has returned
	slot      bool // it has one; belongs to the goroutine that runs the call

	room  grant     // of the response on its way through Conn
	whole *outFrame // the whole batch, if this was its last response
}

var errNoID = errors.New("a call without an id has no notifications")

// Method gives the name of the method.
func (c *Call) Method() string { return c.method }

// Params gives the parameters as they were sent, an array or an object; nil
// when they are absent or null.
func (c *Call) Params() json.RawMessage { return c.params }

// ID gives the id as it was written, nil for a notification.
func (c *Call) ID() json.RawMessage { return c.id }

// Notification says that the call has no id: nothing answers it.
func (c *Call) Notification() bool { return c.id == nil }

// InBatch says that the call came in a batch.
func (c *Call) InBatch() bool { return c.batch != nil }

// Notify sends a notification that belongs to the call:
//
//	{"jsonrpc":"2.0","method":METHOD,"params":{"id":ID,MEMBERS}}
//
// with the call's id as it was written; members is the JSON of the other
// members, without braces, and may be used again once Notify returns. The rest
// is as with NotifyFunc.
func (c *Call) Notify(ctx context.Context, method string, members []byte) error {
	return c.NotifyFunc(ctx, method, func(buf []byte) []byte { return append(buf, members...) })
}

// NotifyFunc is Notify with members that are appended to the frame itself, once
// the connection's writer has room for it: a frame ahead of what it writes, so
// that a stream's lines gather with the caller meanwhile. Notifications keep
// their order, and the call's response follows them. NotifyFunc fails when ctx or
// the connection ends, when the frame would pass MaxEvent, and for a call that is
// a notification itself.
func (c *Call) NotifyFunc(ctx context.Context, method string, members func(buf []byte) []byte) error {
	return c.NotifyShared(ctx, method, members, nil, nil)
}

// NotifyShared is NotifyFunc with members that many calls send: shared is written
// from where it lies, between what before and after append. It must never change.
func (c *Call) NotifyShared(ctx context.Context, method string, before func(buf []byte) []byte, shared []byte, after func(buf []byte) []byte) error {
	if c.Notification() {
		return errNoID
	}
	return c.session.out.notify(ctx, event{method, c.id, before, shared, after})
}

// Handler gives the handler that serves the call's connection.
func (c *Call) Handler() Handler { return c.session.handler }

// Cancelled says that $/cancelRequest has asked for the end of the call; a
// connection that ended is not a cancel.
func (c *Call) Cancelled() bool { return c.session.wasCancelled(c) }
