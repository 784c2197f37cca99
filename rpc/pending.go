package rpc

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/sourcegraph/jsonrpc2"
)

// ErrSlow says that a call's notifications were handled more slowly than they
// came, until more of them waited than may.
var ErrSlow = errors.New("the call's notifications are not handled as fast as they come")

// incoming is a notification that waits to be handled.
type incoming struct {
	method string
	params json.RawMessage
}

// pending is a call that waits for its response.
type pending struct {
	client *Client
	id     uint64
	params json.RawMessage // nil for none
	wake   chan struct{}   // has an entry when there is something to take

	mu     sync.Mutex // guards the rest
	events []incoming
	bytes  int
	slow   bool
	resp   *jsonrpc2.Response
}

// event queues a notification. A full queue ends the call, never the
// connection, which others use.
func (p *pending) event(e incoming) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slow {
		return
	}
	p.bytes += len(e.params)
	if p.slow = p.bytes > p.client.opts.MaxEvents; p.slow {
		p.client.cancel(p.id)
	} else {
		p.events = append(p.events, e)
	}
	p.signal()
}

// answer gives the call its response.
func (p *pending) answer(resp *jsonrpc2.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resp = resp
	p.signal()
}

func (p *pending) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take gives what has come since the last time.
func (p *pending) take() (events []incoming, resp *jsonrpc2.Response, slow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	events, p.events, p.bytes = p.events, nil, 0
	return events, p.resp, p.slow
}
