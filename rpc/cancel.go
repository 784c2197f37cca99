package rpc

import (
	"bytes"
	"encoding/json"
)

// cancelMethod ends another call of the same connection.
const cancelMethod = "$/cancelRequest"

// cancelRequest serves $/cancelRequest on the goroutine that reads, so that it
// finds every call that was sent before it.
func (s *session) cancelRequest(call *Call) {
	var params struct {
		ID json.RawMessage `json:"id"`
	}
	if err := DecodeParams(call.params, &params); err != nil {
		s.finish(call, nil, err, false)
		return
	}
	s.finish(call, s.cancelCall(params.ID), nil, false)
}

// cancelCall cancels the latest call with that id, as it is written, that has
// not ended. It says whether there was one.
func (s *session) cancelCall(id json.RawMessage) bool {
	s.mu.Lock()
	call := s.find(id)
	if call == nil {
		s.mu.Unlock()
		return false
	}
	call.cancelled = true
	waited := s.slots(call).leave(call)
	if waited {
		s.waiting -= call.cost()
	}
	s.mu.Unlock()
	if waited {
		s.discard(call)
		return true
	}
	call.cancel()
	return true
}

func (s *session) find(id json.RawMessage) *Call {
	var latest *Call
	for _, call := range s.calls {
		switch {
		case call.returned || call.cancel == nil || !bytes.Equal(call.id, id):
		case latest == nil || latest.number < call.number:
			latest = call
		}
	}
	return latest
}

func (s *session) wasCancelled(call *Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return call.cancelled
}
