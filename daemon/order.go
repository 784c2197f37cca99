package daemon

import (
	"context"
	"slices"
	"sync"
)

// claim names a thing that a call is about, by which the call's token is held
// against its patterns of names, and the call takes its place in the order.
//
// Calls whose claims meet run one after another, in the order in which they
// entered. Neighbours of the same class, if they have one, run side by side:
// two builds of an image (the second joins or is refused) and two creates from
// it, but never a create before the build that was asked for first. Claims of
// the class classFree wait for nothing.
type claim struct {
	kind, name string // a container, an image, a volume, a network or a domain
	class      string
}

func (c claim) key() string { return c.kind + " " + c.name }

const kindContainer = "container"

func containerClaim(name string) claim { return claim{kind: kindContainer, name: name} }

// orderer makes the calls that name the same thing run in order. A ticket
// enters all its queues in one step, so that no two tickets wait for each
// other.
type orderer struct {
	mu     sync.Mutex
	queues map[string][]*ticket // by claim key, first come first; never empty
}

// ticket is a place in the queues of its claims.
type ticket struct {
	order  *orderer
	claims []claim
	next   chan struct{} // closed when it waits for its first claim no more
	ready  chan struct{} // closed when it is its turn
	turn   bool          // guarded by order.mu
	left   bool          // guarded by order.mu
}

func newOrderer() *orderer {
	return &orderer{queues: map[string][]*ticket{}}
}

// enter takes a place behind all that entered before. It does not block.
func (o *orderer) enter(claims ...claim) *ticket {
	claims = slices.DeleteFunc(claims, func(c claim) bool { return c.class == classFree })
	t := &ticket{order: o, claims: claims, next: make(chan struct{}), ready: make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range claims {
		o.queues[c.key()] = append(o.queues[c.key()], t)
	}
	o.call(t)
	return t
}

// wait returns when it is the ticket's turn. When ctx ends first, the ticket
// leaves and ctx's error is returned.
func (t *ticket) wait(ctx context.Context) error {
	select {
	case <-t.ready:
		return nil
	default:
	}
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		t.leave()
		return ctx.Err()
	}
}

// waitForFirst returns when nothing stands before the ticket for its first claim,
// and says whether it has to wait for others. It is false when ctx ends first.
func (t *ticket) waitForFirst(ctx context.Context) (waits bool) {
	select {
	case <-t.ready:
		return false
	case <-t.next:
	case <-ctx.Done():
		return false
	}
	select {
	case <-t.ready:
		return false
	default:
		return true
	}
}

// leave gives the place up, and calls those whose turn it is now. Leaving twice
// does nothing.
func (t *ticket) leave() {
	o := t.order
	o.mu.Lock()
	defer o.mu.Unlock()
	if t.left {
		return
	}
	t.left = true
	for _, c := range t.claims {
		o.remove(c.key(), t)
		for _, next := range o.queues[c.key()] {
			o.call(next)
		}
	}
}

func (o *orderer) remove(key string, t *ticket) {
	queue := o.queues[key]
	queue = slices.Delete(queue, slices.Index(queue, t), slices.Index(queue, t)+1)
	if len(queue) == 0 {
		delete(o.queues, key)
		return
	}
	o.queues[key] = queue
}

// call tells t that it is its turn, if it is.
func (o *orderer) call(t *ticket) {
	if t.turn {
		return
	}
	for i, c := range t.claims {
		if !o.first(c, t) {
			return
		}
		if i == 0 {
			t.comesNext()
		}
	}
	t.turn = true
	close(t.ready)
}

// comesNext tells that nothing stands before t for its first claim: nothing ever
// will again. The caller holds mu.
func (t *ticket) comesNext() {
	select {
	case <-t.next:
	default:
		close(t.next)
	}
}

// first says whether nothing stands before t in the queue of c that t has to
// wait for.
func (o *orderer) first(c claim, t *ticket) bool {
	for _, before := range o.queues[c.key()] {
		if before == t {
			return true
		}
		if c.class == "" || before.class(c.key()) != c.class {
			return false
		}
	}
	return true
}

func (t *ticket) class(key string) string {
	for _, c := range t.claims {
		if c.key() == key {
			return c.class
		}
	}
	return ""
}
