package engine

import "sync"

// hints runs looks side by side, one at a time for an id. Those that come
// meanwhile are done as one. The zero value is ready.
type hints struct {
	mu      sync.Mutex
	again   map[string]bool // ids that are being looked at, and whether to look again
	workers sync.WaitGroup
}

func (h *hints) give(id string, look func(id string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.again == nil {
		h.again = map[string]bool{}
	}
	if _, busy := h.again[id]; busy {
		h.again[id] = true
		return
	}
	h.again[id] = true
	h.workers.Go(func() {
		for h.takeUp(id) {
			look(id)
		}
	})
}

func (h *hints) takeUp(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.again[id] {
		delete(h.again, id)
		return false
	}
	h.again[id] = false
	return true
}

func (h *hints) wait() { h.workers.Wait() }
