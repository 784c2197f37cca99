package rpc

import (
	"context"
	"encoding/json"
	"fmt"
)

// event is a notification of a call.
type event struct {
	method string
	id     json.RawMessage         // of the call
	before func(buf []byte) []byte // appends the members of params after id, up to shared
	shared []byte
	after  func(buf []byte) []byte // appends the rest of them; nil if shared is empty
}

// notify sends an event when its turn has come and there is room for it. Nothing
// is encoded before: those who wait hold no memory.
func (o *outbox) notify(ctx context.Context, e event) error {
	if err := o.turn(ctx); err != nil {
		return err
	}
	buf := newBuffer()
	split := e.append(buf)
	room, err := o.eventRoom(ctx, len(buf.data)+len(e.shared))
	if err != nil {
		buf.free()
		o.next()
		return err
	}
	if !o.push(outFrame{buffer: buf, shared: e.shared, split: split, grant: room, event: true}) {
		return ErrClosed
	}
	return nil
}

func (o *outbox) eventRoom(ctx context.Context, size int) (grant, error) {
	if size > o.opts.MaxEvent {
		return grant{}, fmt.Errorf("a notification of %d bytes, it may have %d", size, o.opts.MaxEvent)
	}
	return o.budget.wait(ctx, size)
}

// append appends the notification without what is shared, and says where that
// belongs.
func (e event) append(buf *buffer) (split int) {
	to := append(buf.data, `{"jsonrpc":"2.0","method":`...)
	to = appendJSON(to, e.method)
	to = append(to, `,"params":{"id":`...)
	to = append(to, e.id...)
	bare := len(to)
	to = e.before(append(to, ','))
	if len(to) == bare+1 { // none
		to = to[:bare]
	}
	split = len(to)
	if e.after != nil {
		to = e.after(to)
	}
	buf.data = append(to, "}}"...)
	return split
}
