package rpc

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// What a connection may have queued whatever the others have, so that one that
// keeps up does not suffer from those that do not.
const (
	roomToWait = 16 * kib // for what can wait
	roomToTake = 64 * kib // for what cannot
)

// budget bounds the bytes that wait to be written: those of one connection,
// and, through all, those of every connection together. What is larger than a
// bound counts as much as the bound: it waits until nothing else is there.
type budget struct {
	used   atomic.Int64 // bytes queued, held or waiting for room
	beyond atomic.Int64 // those of them for which there was no room
	size   int64
	hard   int64 // past this nothing is taken without waiting
	own    *semaphore.Weighted

	total int64
	all   *semaphore.Weighted
}

func (b *budget) init(opts *Options, all *semaphore.Weighted) {
	b.size = int64(opts.MaxQueue)
	b.hard = int64(opts.MaxQueue + opts.MaxAnswer)
	b.own = semaphore.NewWeighted(b.size)
	b.total = int64(opts.MaxQueueTotal)
	b.all = all
}

// grant is room in a budget, until it is released.
type grant struct{ bytes, own, all, beyond int64 }

func (b *budget) count(n int) grant {
	b.used.Add(int64(n))
	return grant{bytes: int64(n)}
}

func (b *budget) release(g grant) {
	b.used.Add(-g.bytes)
	b.beyond.Add(-g.beyond)
	if g.own > 0 {
		b.own.Release(g.own)
	}
	if g.all > 0 {
		b.all.Release(g.all)
	}
}

// wait takes room for n bytes, when there is some. It fails when ctx ends.
func (b *budget) wait(ctx context.Context, n int) (grant, error) {
	g := b.count(n)
	own := min(g.bytes, b.size)
	if err := b.own.Acquire(ctx, own); err != nil {
		b.release(g)
		return grant{}, err
	}
	g.own = own
	if b.used.Load() <= roomToWait {
		return g, nil
	}
	all := min(g.bytes, b.total)
	if err := b.all.Acquire(ctx, all); err != nil {
		b.release(g)
		return grant{}, err
	}
	g.all = all
	return g, nil
}

// take takes room for n bytes at once, past the connection's own bound if need
// be, since its reader must not wait. It fails when far too much is there.
func (b *budget) take(n int) (grant, bool) {
	g := b.count(n)
	switch used := b.used.Load(); {
	case used > b.hard:
		b.release(g)
		return grant{}, false
	case used <= roomToTake:
		return g, true
	}
	all := min(g.bytes, b.total)
	if !b.all.TryAcquire(all) {
		b.release(g)
		return grant{}, false
	}
	g.all = all
	return g, true
}

// insist takes room for n bytes that take has refused, and says whether that may
// go on: it may until there is a connection's own bound of such bytes.
func (b *budget) insist(n int) (g grant, ok bool) {
	g = b.count(n)
	g.beyond = g.bytes
	return g, b.beyond.Add(g.beyond) <= b.size
}
