package engine

import (
	"cmp"
	"sync"
	"time"
)

// What lingers costs the engine about a thousandth of a core each.
const (
	lingerTime = 30 * time.Second
	maxLinger  = 20
)

// lingering keeps things held for a while after they were asked for last, so that
// who asks again need not wait. Of more than it may keep, those that were asked
// for longest ago go. The zero value is ready.
type lingering struct {
	time time.Duration // lingerTime if 0

	mu     sync.Mutex // guards the rest
	kept   map[string]*kept
	last   uint64
	closed bool

	leaving sync.WaitGroup // those that are let go
}

type kept struct {
	release func()
	timer   *time.Timer
	asked   uint64 // counts askings
}

// keep holds the thing with this id from now on for a while, or for longer if it
// does so already.
func (l *lingering) keep(id string, hold func() (release func())) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	patience := cmp.Or(l.time, lingerTime)
	k, known := l.kept[id]
	if !known {
		if l.kept == nil {
			l.kept = map[string]*kept{}
		}
		if len(l.kept) >= maxLinger {
			l.dropOldest()
		}
		k = &kept{release: hold(), timer: time.AfterFunc(patience, func() { l.release(id) })}
		l.kept[id] = k
	}
	k.timer.Reset(patience)
	l.last++
	k.asked = l.last
}

func (l *lingering) dropOldest() {
	var oldest string
	for id, k := range l.kept {
		if oldest == "" || k.asked < l.kept[oldest].asked {
			oldest = id
		}
	}
	l.drop(oldest)
}

// drop takes out what is kept. What holds it is let go on the side, for that may
// wait for those who are about to come here.
func (l *lingering) drop(id string) {
	if k, ok := l.kept[id]; ok {
		delete(l.kept, id)
		k.timer.Stop()
		l.leaving.Go(k.release)
	}
}

// release lets the thing with this id go.
func (l *lingering) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(id)
}

// close lets all go, and keeps nothing from then on.
func (l *lingering) close() {
	l.mu.Lock()
	l.closed = true
	for id := range l.kept {
		l.drop(id)
	}
	l.mu.Unlock()
	l.leaving.Wait()
}
