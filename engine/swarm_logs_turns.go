package engine

import (
	queue "container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dockwire/dockwire/engine/journal"
)

// Who follows a log costs the daemon, the manager and the nodes something,
// whether or not there are lines. So there is a bounded number of places, and
// where there are more services than those they take turns: one that is silent
// gives its place up to the next in line, and goes on where it was when its own
// turn comes. That loses nothing that the swarm still has.
const (
	logPlaces   = 1000
	quietTurn   = 10 * time.Second // so long silent, one gives its place up if others wait
	longestTurn = time.Minute      // one that writes, too
	rotateEvery = time.Second
)

// serviceLogs are the copies of the logs of all services, by name.
type serviceLogs struct {
	places  int                         // how many are followed at the same time, those left out that are held
	copy    func(*serviceLog, *logTurn) // copies one until its turn ends
	ctx     context.Context             // ends with Run, and all copying with it
	copying sync.WaitGroup
	reading chan struct{} // holds something for each copy that is read before it goes on

	mu      sync.Mutex // guards what follows, and of each log what it says
	open    map[string]*serviceLog
	waiting queue.List // of *serviceLog: those that nobody copies, the next in line first
	copiers int        // how many goroutines copy
}

// serviceLog is the copy of the log of one service.
type serviceLog struct {
	id   string // of the service
	name string
	dir  string

	opening sync.Mutex       // guards journal
	journal *journal.Journal // nil before it was needed

	newest int64 // the time of the newest line; of whoever copies
	recent int64 // the number of a line before which all are old; of whoever copies

	heard atomic.Int64 // when there was a line last, in Unix nanoseconds

	// What the serviceLogs' mu guards.
	place *queue.Element // in the line of those that wait
	turn  *logTurn       // nil while nobody copies it
	held  int            // so many want it to be followed
	ended bool           // its service is gone
}

// logTurn is the time for which a log is copied without a break.
type logTurn struct {
	ctx       context.Context // ends when the place is to be given up
	cancel    context.CancelFunc
	began     time.Time
	following chan struct{} // closed when a manager has begun to answer
	ended     chan struct{} // closed when nothing is written to the journal any more
}

func newServiceLogs(copy func(*serviceLog, *logTurn)) *serviceLogs {
	return &serviceLogs{places: logPlaces, copy: copy, open: map[string]*serviceLog{}, reading: make(chan struct{}, readAtOnce)}
}

func (l *serviceLogs) get(r *record) *serviceLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	if log := l.open[r.Name]; log != nil && log.id == r.ID {
		return log
	}
	return nil
}

// add has a log copied from now on, in turn with the others.
func (l *serviceLogs) add(log *serviceLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[log.name] = log
	log.place = l.waiting.PushBack(log)
	l.startIfRoom(log)
}

// startIfRoom has a goroutine copy a log that waits, if there is a place, or if
// it is held. The caller holds mu.
func (l *serviceLogs) startIfRoom(log *serviceLog) {
	if log.place == nil || l.copiers >= l.places && log.held == 0 || l.ctx.Err() != nil {
		return
	}
	l.copiers++
	turn := l.begin(log)
	l.copying.Go(func() {
		for log != nil {
			l.copy(log, turn)
			log, turn = l.next(log)
		}
	})
}

// begin begins the turn of a log that waits. The caller holds mu.
func (l *serviceLogs) begin(log *serviceLog) *logTurn {
	l.waiting.Remove(log.place)
	log.place = nil
	log.turn = &logTurn{began: time.Now(), following: make(chan struct{}), ended: make(chan struct{})}
	log.turn.ctx, log.turn.cancel = context.WithCancel(l.ctx)
	log.heard.Store(log.turn.began.UnixNano())
	return log.turn
}

// end ends a log's turn, and has it wait for its next. The caller holds mu.
func (l *serviceLogs) end(log *serviceLog) {
	log.turn.cancel()
	close(log.turn.ended)
	log.turn = nil
	switch {
	case log.ended:
	case log.held > 0:
		log.place = l.waiting.PushFront(log)
	default:
		log.place = l.waiting.PushBack(log)
	}
}

// next ends a turn, and gives the log that is to be copied in its place; nil if
// there is none, or if too many are copied already.
func (l *serviceLogs) next(done *serviceLog) (*serviceLog, *logTurn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(done)
	if first := l.waiting.Front(); first != nil && l.ctx.Err() == nil {
		if log := first.Value.(*serviceLog); l.copiers <= l.places || log.held > 0 {
			return log, l.begin(log)
		}
	}
	l.copiers--
	return nil, nil
}

// hasten puts a log that waits at the head of the line.
func (l *serviceLogs) hasten(log *serviceLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if log.place != nil {
		l.waiting.MoveToFront(log.place)
	}
}

// hold has a log followed until release is called, at once and whether or not
// there is a place. It waits for the manager to answer, as long as for any
// question.
func (l *serviceLogs) hold(ctx context.Context, log *serviceLog) (release func()) {
	l.mu.Lock()
	log.held++
	l.startIfRoom(log)
	l.mu.Unlock()
	l.awaitFollowing(ctx, log)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		log.held--
	}
}

// awaitFollowing waits for a manager to answer with a log, if somebody copies it.
func (l *serviceLogs) awaitFollowing(ctx context.Context, log *serviceLog) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for ctx.Err() == nil {
		turn := l.turnOf(log)
		if turn == nil {
			return
		}
		following := turn.following
		if turn.ctx.Err() != nil {
			following = nil // it has to give its place up, and gets another
		}
		select {
		case <-following:
			return
		case <-turn.ended:
		case <-ctx.Done():
		}
	}
}

func (l *serviceLogs) turnOf(log *serviceLog) *logTurn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return log.turn
}

// borrow gives the caller the turn of a log that waits, until it calls giveBack.
// If somebody copies it already, ours is false.
func (l *serviceLogs) borrow(log *serviceLog) (turn *logTurn, ours bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if log.place == nil || l.ctx.Err() != nil {
		return nil, false
	}
	return l.begin(log), true
}

func (l *serviceLogs) giveBack(log *serviceLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(log)
	l.startIfRoom(log)
}

// read waits until a copy may be read, or ctx ends.
func (l *serviceLogs) read(ctx context.Context) (done func(), err error) {
	select {
	case l.reading <- struct{}{}:
		return func() { <-l.reading }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// retire has a log not copied any more: its service is gone.
func (l *serviceLogs) retire(log *serviceLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	log.ended = true
}

// drop takes a log out, and gives what is closed when nobody copies it any more.
func (l *serviceLogs) drop(log *serviceLog) (ended <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	log.ended = true
	if l.open[log.name] == log {
		delete(l.open, log.name)
	}
	if log.place != nil {
		l.waiting.Remove(log.place)
		log.place = nil
	}
	if log.turn == nil {
		nobody := make(chan struct{})
		close(nobody)
		return nobody
	}
	log.turn.cancel()
	return log.turn.ended
}

// close waits until nobody copies, and ends all copies.
func (l *serviceLogs) close() {
	l.copying.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range l.open {
		log.close()
	}
}

func (log *serviceLog) close() {
	log.opening.Lock()
	defer log.opening.Unlock()
	if log.journal != nil {
		log.journal.Close()
	}
}

// rotate takes places from those who have had them long enough, until ctx ends.
func (l *serviceLogs) rotate(ctx context.Context) {
	for tick := time.NewTicker(rotateEvery); ; {
		select {
		case now := <-tick.C:
			l.takePlaces(now)
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// takePlaces takes as many places as there are logs that wait, at most.
func (l *serviceLogs) takePlaces(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := l.waiting.Len()
	for _, log := range l.open {
		if wanted == 0 {
			return
		}
		if log.turn != nil && log.held == 0 && log.hadEnough(now) {
			log.turn.cancel()
			wanted--
		}
	}
}

func (log *serviceLog) hadEnough(now time.Time) bool {
	return now.Sub(time.Unix(0, log.heard.Load())) > quietTurn || now.Sub(log.turn.began) > longestTurn
}
