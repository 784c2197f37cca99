package engine

import "sync"

// shared keeps one T for each id, for as long as somebody holds it. The zero
// value is ready.
type shared[T any] struct {
	mu   sync.Mutex
	byID map[string]*holding[T]
}

type holding[T any] struct {
	one     *T
	holders int
}

// join gives the T of the id, and makes it if nobody holds one. Each join needs
// a leave.
func (s *shared[T]) join(id string, create func() *T) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]*holding[T]{}
	}
	h, ok := s.byID[id]
	if !ok {
		h = &holding[T]{one: create()}
		s.byID[id] = h
	}
	h.holders++
	return h.one
}

// leave says whether it was the last holder that left: the T is its own then, to
// end it.
func (s *shared[T]) leave(id string) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.byID[id]
	h.holders--
	if h.holders == 0 {
		delete(s.byID, id)
	}
	return h.holders == 0
}

// size gives how many there are.
func (s *shared[T]) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}
