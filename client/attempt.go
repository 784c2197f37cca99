package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

const (
	minWait = 100 * time.Millisecond // before the first attempt to connect again
	maxWait = 5 * time.Second        // before any later one

	// readTimeout is for how long a call that only reads is made again. Streams
	// are taken up again until their context ends.
	readTimeout = 15 * time.Second
)

// call is a call that is made again when its connection breaks.
type call struct {
	method  string
	params  func() any // for the attempt that is about to be made
	result  any
	onEvent func(params json.RawMessage) error // nil for a call that does not stream
	follow  bool                               // once begun, it waits for an engine that is away
}

// attempt makes a call until it is answered. For a daemon that cannot be
// reached to begin with it does not wait.
func (c *Client) attempt(ctx context.Context, todo call) error {
	begun := time.Now()
	var pause backoff
	err := c.once(ctx, todo, &pause)
	if errors.Is(err, ErrUnreachable) || errors.Is(err, api.CodeUnavailable) {
		return err
	}
	for todo.goesOn(err, time.Since(begun)) {
		if !errors.Is(err, ErrSlow) { // that one is no fault of the connection's
			c.tellLost(todo, err)
			if err := pause.sleep(ctx); err != nil {
				return err
			}
		}
		err = c.once(ctx, todo, &pause)
	}
	return err
}

// once makes a call once. An event is a sign of life, after which the next pause
// is a short one.
func (c *Client) once(ctx context.Context, todo call, pause *backoff) error {
	var onEvent func(string, json.RawMessage) error
	if todo.onEvent != nil {
		onEvent = func(_ string, params json.RawMessage) error {
			pause.reset()
			return todo.onEvent(params)
		}
	}
	return c.Call(ctx, todo.method, todo.params(), todo.result, onEvent)
}

// goesOn says whether a call that ended with err, after so long, is made again.
func (todo *call) goesOn(err error, after time.Duration) bool {
	switch {
	case todo.onEvent == nil && after > readTimeout:
		return false
	case errors.Is(err, api.CodeUnavailable):
		return todo.follow
	}
	return errors.Is(err, ErrLost) || errors.Is(err, ErrUnreachable) || errors.Is(err, ErrSlow)
}

func (c *Client) tellLost(todo call, err error) {
	if c.OnLost != nil && todo.onEvent != nil && errors.Is(err, ErrLost) {
		c.OnLost(err)
	}
}

// backoff is the pause between two attempts. It doubles from minWait to
// maxWait, and is up to a half shorter, so that the clients of a daemon that was
// restarted do not all come at once.
type backoff struct{ last time.Duration }

func (b *backoff) reset() { b.last = 0 }

func (b *backoff) sleep(ctx context.Context) error {
	b.last = min(max(2*b.last, minWait), maxWait)
	timer := time.NewTimer(b.last - rand.N(b.last/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
