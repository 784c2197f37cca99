package rpc

import "slices"

// slots are places for calls that run at once. Who must wait, waits in order.
type slots struct {
	size, used int
	waiting    []*Call
}

// take takes a place, if one is free.
func (s *slots) take() bool {
	if s.used == s.size {
		return false
	}
	s.used++
	return true
}

// give gives a place back. It goes to the call that has waited longest, which
// is the one to run now.
func (s *slots) give() *Call {
	if len(s.waiting) == 0 {
		s.waiting = nil
		s.used--
		return nil
	}
	next := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	return next
}

// leave takes a call out of those that wait, if it is there.
func (s *slots) leave(call *Call) bool {
	i := slices.Index(s.waiting, call)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return true
}
