package client

import (
	"context"
	"sync"
)

// relay runs produce beside the caller, who consumes what it emits. A consumer
// that is slow does not hold the producer up, for it would be cancelled then:
// what is not consumed yet waits in memory. An error of consume ends both. When
// ctx ends, what waits is forgotten.
func relay[T any](ctx context.Context, consume func(T) error, produce func(ctx context.Context, emit func(T)) error) error {
	ctx, cancel := context.WithCancel(ctx)
	waiting := backlog[T]{wake: make(chan struct{}, 1)}
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = produce(ctx, waiting.add)
	}()
	defer func() { <-done }()
	defer cancel()
	for over := false; !over; {
		select {
		case <-waiting.wake:
		case <-done:
			over = true
		}
		if err := waiting.consume(ctx, consume); err != nil {
			return err
		}
	}
	return err
}

// backlog is what waits to be consumed.
type backlog[T any] struct {
	wake chan struct{} // has an entry when something waits

	mu      sync.Mutex // guards waiting
	waiting []T
}

func (b *backlog[T]) add(element T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, element)
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// consume consumes what waits by now, as long as ctx lasts.
func (b *backlog[T]) consume(ctx context.Context, consume func(T) error) error {
	b.mu.Lock()
	taken := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, element := range taken {
		if ctx.Err() != nil {
			return nil
		}
		if err := consume(element); err != nil {
			return err
		}
	}
	return nil
}
