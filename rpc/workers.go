package rpc

import "sync/atomic"

// keptWorkers is how many goroutines are kept for the next tasks. Their stacks
// have grown and need not grow again, which is most of what a new one costs.
const keptWorkers = 128

// task is what a worker does: it serves a call, or writes what is in an outbox.
type task interface{ do() }

// workers do tasks, each on a goroutine of its own, which no connection has to
// keep while it is idle.
type workers struct {
	tasks chan task
	kept  atomic.Int32
}

// start has a goroutine do a task: one that waits, or else a new one.
func (w *workers) start(t task) {
	select {
	case w.tasks <- t:
	default:
		go w.work(t)
	}
}

func (w *workers) work(t task) {
	t.do()
	if w.kept.Add(1) <= keptWorkers {
		for next := range w.tasks {
			next.do()
		}
	}
	w.kept.Add(-1)
}

// stop ends those that wait. There must be no more tasks.
func (w *workers) stop() { close(w.tasks) }
