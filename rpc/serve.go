package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sourcegraph/jsonrpc2"
)

// waitingCost is what a call that waits for a slot takes besides its message.
const waitingCost = 512

// Handle implements jsonrpc2.Handler, on the goroutine that reads: a call is
// known, and can be cancelled, before the next message is read.
func (s *session) Handle(ctx context.Context, conn *jsonrpc2.Conn, _ *jsonrpc2.Request) {
	call := s.current
	call.conn, call.life = conn, ctx
	s.enter(call)
	if call.method == cancelMethod {
		s.cancelRequest(call)
		return
	}
	job, err := s.accept(call)
	if err != nil || job.Run == nil {
		s.finish(call, nil, err, false)
		return
	}
	call.job = job
	call.ctx, call.cancel = context.WithCancel(ctx)
	s.start(call)
}

// start runs the call, lets it wait for its turn, or refuses it. A member of a
// batch waits, and so does a notification, which could not be told that it was
// refused.
func (s *session) start(call *Call) {
	s.mu.Lock()
	slots := s.slots(call)
	runs := slots.take()
	waits := !runs && (call.InBatch() || call.Notification()) && s.waiting+call.cost() <= s.opts.MaxQueue
	if waits || call.job.Stream {
		call.keepOwn()
	}
	if waits {
		s.waiting += call.cost()
		slots.waiting = append(slots.waiting, call)
	}
	s.mu.Unlock()
	switch {
	case runs:
		s.spawn(call)
	case !waits:
		s.drop(call)
		s.finish(call, nil, s.slotError(call, slots), false)
	}
}

func (s *session) slots(call *Call) *slots {
	if call.job.Stream {
		return &s.streams
	}
	return &s.running
}

func (s *session) slotError(call *Call, slots *slots) *Error {
	limit, what := "calls", "calls"
	if call.job.Stream {
		limit, what = "streams", "streams"
	}
	return s.opts.LimitError(limit, fmt.Sprintf("this connection has %d %s in flight already: wait for one to be answered", slots.size, what))
}

// keepOwn lets go of the frame that the call came in, of which it may be the least
// part: one that lasts keeps copies of what it needs.
func (c *Call) keepOwn() {
	c.id, c.params = bytes.Clone(c.id), bytes.Clone(c.params)
	c.result, c.err = nil, nil // of no meaning in a request
}

func (c *Call) cost() int {
	return waitingCost + len(c.method) + len(c.id) + len(c.params)
}

// spawn runs a call that has its slot.
func (s *session) spawn(call *Call) {
	call.slot = true
	s.jobs.Add(1)
	s.server.count(call, 1)
	s.server.workers.start(call)
}

// unfinished answers a call whose Run has ended the goroutine.
var unfinished = Internal("")

// do runs the call and answers it.
func (call *Call) do() {
	s := call.session
	defer s.jobs.Done()
	var result any
	var err error = unfinished
	defer func() {
		call.cancel()
		s.finish(call, result, err, true)
		s.server.count(call, -1)
		s.release(call)
	}()
	result, err = s.run(call)
}

// release passes the call's slot on, if it has one, to a call that still has a
// connection. It is done just before the answer goes out: who has read it may
// send the next call at once.
func (s *session) release(call *Call) {
	if !call.slot {
		return
	}
	call.slot = false
	next := s.pass(call)
	for next != nil && next.life.Err() != nil {
		s.discard(next)
		next = s.pass(next)
	}
	if next != nil {
		s.spawn(next)
	}
}

// pass gives the call's slot to the one that has waited longest.
func (s *session) pass(call *Call) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.slots(call).give()
	if next != nil {
		s.waiting -= next.cost()
	}
	return next
}

// accept asks the handler. A panic becomes an error.
func (s *session) accept(call *Call) (job Job, err error) {
	returned := false
	defer func() {
		if !returned {
			err = s.panicked(call, recover())
		}
	}()
	job, err = s.handler.Accept(call)
	returned = true
	return job, err
}

// run runs the job. A panic becomes an error.
func (s *session) run(call *Call) (result any, err error) {
	returned := false
	defer func() {
		if !returned {
			err = s.panicked(call, recover())
		}
	}()
	result, err = call.job.Run(call.ctx)
	returned = true
	return result, err
}

// panicked gives the answer to a panic, after it was reported with its stack.
func (s *session) panicked(call *Call, value any) *Error {
	return s.internal(call, fmt.Errorf("panic in %s: %v", call.method, value), debug.Stack())
}

func (s *session) internal(call *Call, err error, stack []byte) *Error {
	if s.opts.Internal == nil {
		return Internal("")
	}
	return Internal(s.opts.Internal(call, err, stack))
}

// toError gives what answers a call that failed.
func (s *session) toError(call *Call, err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	if errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) && (s.wasCancelled(call) || call.life.Err() != nil) {
		return Cancelled()
	}
	if s.opts.MapError != nil {
		if mapped := s.opts.MapError(err); mapped != nil {
			return mapped
		}
	}
	return s.internal(call, err, nil)
}

// drop tells the handler that the call will not run.
func (s *session) drop(call *Call) {
	call.cancel()
	if call.job.Drop != nil {
		call.job.Drop()
	}
}

// discard ends a call that has waited, and need not run any more.
func (s *session) discard(call *Call) {
	s.drop(call)
	s.finish(call, nil, Cancelled(), false)
}

// dropWaiting drops every call that still waits for its turn.
func (s *session) dropWaiting() {
	s.mu.Lock()
	waiting := append(s.running.waiting, s.streams.waiting...)
	s.running.waiting, s.streams.waiting = nil, nil
	s.mu.Unlock()
	for _, call := range waiting {
		s.discard(call)
	}
}

// finish answers the call and forgets it. With wait it waits for room in the
// outbox; the reader's goroutine must not.
func (s *session) finish(call *Call, result any, err error, wait bool) {
	s.mu.Lock()
	call.returned = true
	s.mu.Unlock()
	var failure *Error
	if err != nil {
		failure = s.toError(call, err)
	}
	if !call.Notification() {
		failure = s.answer(call, result, failure, wait)
	}
	s.leave(call)
	if s.opts.Done != nil {
		s.opts.Done(call, failure, time.Since(call.read))
	}
}

// enter makes the call known.
func (s *session) enter(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call.number] = call
}

// leave forgets the call. With the last one a closeIdle connection closes.
func (s *session) leave(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, call.number)
	s.restLocked()
}
