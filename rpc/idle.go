package rpc

import (
	"time"

	"github.com/gorilla/websocket"
)

// watchIdle makes the connection close (1000) once every call so far is
// answered. It then waits a moment, so that a request right behind the first
// is served as well.
func (s *session) watchIdle() {
	s.idle = time.AfterFunc(time.Hour, s.closeIfIdle)
	s.idle.Stop()
}

func (s *session) closeIfIdle() {
	s.mu.Lock()
	idle := len(s.calls) == 0
	s.mu.Unlock()
	if idle {
		s.out.end(websocket.CloseNormalClosure, true)
	}
}

// listen keeps the connection open: a message has come.
func (s *session) listen() {
	if s.idle == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Stop()
}

// rest sets the clock, if nothing is left to do of the messages so far.
func (s *session) rest() {
	if s.idle == nil || s.read.IsZero() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restLocked()
}

func (s *session) restLocked() {
	if s.idle != nil && len(s.calls) == 0 {
		s.idle.Reset(s.opts.IdleGrace)
	}
}
