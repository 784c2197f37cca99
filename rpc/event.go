package rpc

import (
	"context"
	"encoding/json"
	"fmt"
)

// event is a notification of a call.
type event struct {
	method  string
	id      json.RawMessage // of the call
	members []byte          // of params, after id
}

// notify sends an event when its turn has come and there is room for it.
func (o *outbox) notify(ctx context.Context, e event) error {
	size := len(`{"jsonrpc":"2.0","method":"","params":{"id":,}}`) + len(e.method) + len(e.id) + len(e.members)
	if size > o.opts.MaxEvent {
		return fmt.Errorf("a notification of %d bytes, it may have %d", size, o.opts.MaxEvent)
	}
	if err := o.turn(ctx); err != nil {
		return err
	}
	room, err := o.budget.wait(ctx, size)
	if err != nil {
		o.next()
		return err
	}
	buf := newBuffer()
	buf.data = e.append(buf.data)
	if !o.push(outFrame{buffer: buf, grant: room, event: true}) {
		return ErrClosed
	}
	return nil
}

func (e event) append(to []byte) []byte {
	to = append(to, `{"jsonrpc":"2.0","method":`...)
	to = appendJSON(to, e.method)
	to = append(to, `,"params":{"id":`...)
	to = append(to, e.id...)
	if len(e.members) > 0 {
		to = append(to, ',')
		to = append(to, e.members...)
	}
	return append(to, "}}"...)
}
