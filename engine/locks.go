package engine

import (
	"context"
	"sync"
)

// locks is a lock for every key. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*waitable
}

type waitable struct {
	free  chan struct{} // holds one token while the lock is free
	users int           // who hold or wait for it
}

// lock waits for the key's lock, or until ctx ends.
func (l *locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := l.join(key)
	select {
	case <-w.free:
		return func() { w.free <- struct{}{}; l.leave(key) }, nil
	case <-ctx.Done():
		l.leave(key)
		return nil, ctx.Err()
	}
}

// tryLock takes the key's lock if it is free.
func (l *locks) tryLock(key string) (unlock func(), ok bool) {
	w := l.join(key)
	select {
	case <-w.free:
		return func() { w.free <- struct{}{}; l.leave(key) }, true
	default:
		l.leave(key)
		return nil, false
	}
}

func (l *locks) join(key string) *waitable {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*waitable{}
	}
	w, ok := l.held[key]
	if !ok {
		w = &waitable{free: make(chan struct{}, 1)}
		w.free <- struct{}{}
		l.held[key] = w
	}
	w.users++
	return w
}

func (l *locks) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.held[key]
	if w.users--; w.users == 0 {
		delete(l.held, key)
	}
}
