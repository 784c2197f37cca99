package rpc

import (
	"context"
	"encoding/json"
	"fmt"
)

// event is a notification of a call.
type event struct {
	method  string
	id      json.RawMessage         // of the call
	members func(buf []byte) []byte // appends those of params, after id
}

// notify sends an event when its turn has come and there is room for it. Nothing
// is encoded before: those who wait hold no memory.
func (o *outbox) notify(ctx context.Context, e event) error {
	if err := o.turn(ctx); err != nil {
		return err
	}
	buf := newBuffer()
	buf.data = e.append(buf.data)
	room, err := o.eventRoom(ctx, len(buf.data))
	if err != nil {
		buf.free()
		o.next()
		return err
	}
	if !o.push(outFrame{buffer: buf, grant: room, event: true}) {
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

func (e event) append(to []byte) []byte {
	to = append(to, `{"jsonrpc":"2.0","method":`...)
	to = appendJSON(to, e.method)
	to = append(to, `,"params":{"id":`...)
	to = append(to, e.id...)
	bare := len(to)
	to = e.members(append(to, ','))
	if len(to) == bare+1 { // none
		to = to[:bare]
	}
	return append(to, "}}"...)
}
