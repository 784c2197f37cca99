package rpc

import "sync"

// batch gathers the responses to the members of a batch.
type batch struct {
	mu    sync.Mutex // guards the rest
	left  int        // responses that are still to come
	parts [][]byte   // by place; nil for a notification
	grant grant      // the room that the parts take together
}

// newBatch gives the batch of these messages.
func newBatch(messages []message) *batch {
	b := &batch{parts: make([][]byte, len(messages))}
	for i := range messages {
		if messages[i].answered() {
			b.left++
		}
	}
	return b
}

// put keeps a response. With the last one it gives the frame of all, in the
// order of the requests, and the room that it has.
func (b *batch) put(place int, part []byte, g grant) *outFrame {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts[place] = part
	b.grant.bytes += g.bytes
	b.grant.all += g.all
	b.grant.beyond += g.beyond
	b.left--
	if b.left > 0 {
		return nil
	}
	return &outFrame{buffer: b.join(), grant: b.grant}
}

func (b *batch) join() *buffer {
	buf := newBuffer()
	for _, part := range b.parts {
		if part == nil {
			continue
		}
		if len(buf.data) == 0 {
			buf.data = append(buf.data, '[')
		} else {
			buf.data = append(buf.data, ',')
		}
		buf.data = append(buf.data, part...)
	}
	buf.data = append(buf.data, ']')
	b.parts = nil
	return buf
}
