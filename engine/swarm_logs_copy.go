package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/journal"
)

// session is the time for which one manager is used.
type session struct {
	ctx     context.Context // ends with it
	manager *manager
}

// readAtOnce is how many copies are read at the same time when a daemon or a
// manager has come: there may be thousands, and large ones.
const readAtOnce = 4

func (s *Swarm) logDir(r *record) string { return filepath.Join(s.cfg.Swarm.LogDir, r.Name+"."+r.ID) }

// keepLog sees that the log of a service is copied, until endLog or the end of
// Run. What is on its way in a service may take a log away with it.
func (s *Swarm) keepLog(r *record) {
	switch log := s.logs.get(r); {
	case log == nil:
		s.logs.add(&serviceLog{id: r.ID, name: r.Name, dir: s.logDir(r)})
	case !r.settled():
		s.logs.hasten(log)
	}
}

// holdLog has the log of a service followed until release is called.
func (s *Swarm) holdLog(ctx context.Context, r *record) (release func()) {
	if log := s.logs.get(r); log != nil {
		return s.logs.hold(ctx, log)
	}
	return func() {}
}

// catchUp copies what there is of a log that waits for its turn. What cannot be
// had in the time for a question is left for that.
func (s *Swarm) catchUp(ctx context.Context, log *serviceLog) {
	turn, ours := s.logs.borrow(log)
	if !ours {
		s.logs.awaitFollowing(ctx, log)
		return
	}
	defer s.logs.giveBack(log)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	defer context.AfterFunc(turn.ctx, cancel)()
	if current := s.session.Load(); current != nil {
		if err := s.copyFrom(ctx, current, log, nil); !errors.Is(err, io.EOF) {
			s.log.Debug("what a log has got meanwhile could not be had", zap.String("name", log.name), zap.Error(err))
		}
	}
}

// journalOf opens the copy of a log, if it was not yet.
func (s *Swarm) journalOf(ctx context.Context, log *serviceLog) (*journal.Journal, error) {
	log.opening.Lock()
	defer log.opening.Unlock()
	if log.journal != nil {
		return log.journal, nil
	}
	done, err := s.logs.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	log.journal, err = journal.Open(log.dir, journal.Bounds{})
	return log.journal, err
}

// endLog removes the copy of the log of a service that is gone.
func (s *Swarm) endLog(r *record) {
	log := s.logs.get(r)
	if log == nil {
		return
	}
	<-s.logs.drop(log)
	if err := log.remove(); err != nil {
		s.log.Warn("the copy of a log could not be removed", zap.String("name", r.Name), zap.Error(err))
	}
}

func (log *serviceLog) remove() error {
	log.opening.Lock()
	defer log.opening.Unlock()
	if log.journal == nil {
		return os.RemoveAll(log.dir)
	}
	return log.journal.Remove()
}

// tidyLogs removes the copies of services that went while no daemon ran.
func (s *Swarm) tidyLogs() {
	entries, err := os.ReadDir(s.cfg.Swarm.LogDir)
	if err != nil {
		return // nothing was ever copied
	}
	for _, entry := range entries {
		name, id, _ := strings.Cut(entry.Name(), ".")
		if r, known := s.state.get(name); known && r.ID == id {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.cfg.Swarm.LogDir, entry.Name())); err != nil {
			s.log.Warn("the copy of a log could not be removed", zap.String("name", name), zap.Error(err))
		}
	}
}

// copyLog copies the log of a service as it is written, over whatever manager is
// used, until its turn ends or the service is gone.
func (s *Swarm) copyLog(log *serviceLog, turn *logTurn) {
	wait := newBackoff(firstBackoff, lastBackoff)
	var last *session
	told := false // that lines cannot be kept
	for following := sync.OnceFunc(func() { close(turn.following) }); turn.ctx.Err() == nil; wait.wait(turn.ctx) {
		current := s.awaitSession(turn.ctx)
		if current == nil {
			return
		}
		if current != last {
			wait.reset()
			last = current
		}
		heard := log.heard.Load()
		err := s.copyFrom(turn.ctx, current, log, following)
		if gone(err) {
			s.logs.retire(log)
			return
		}
		switch {
		case err == nil, turn.ctx.Err() != nil:
		case errors.Is(err, errNotKept) && !told:
			told = true
			s.log.Warn("what a service writes is not copied until it can be", zap.String("name", log.name), zap.Error(err))
		default:
			s.log.Debug("the log of a service is cut off", zap.String("name", log.name), zap.Error(err))
		}
		if log.heard.Load() != heard {
			wait.reset()
			told = told && errors.Is(err, errNotKept)
		}
	}
}

// awaitSession waits until a manager is used, and gives the time for which it is;
// nil if ctx ends before. A log is followed at once then: its replicas may be
// about to go.
func (s *Swarm) awaitSession(ctx context.Context) *session {
	for ctx.Err() == nil {
		changed := s.state.next()
		if current := s.session.Load(); current != nil {
			return current
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// errNotKept says that the disk does not take lines.
var errNotKept = errors.New("they cannot be written to the state directory")

// logOverlap is how far back a new answer begins: further than the clocks of the
// nodes differ, and than a line takes to get here.
const logOverlap = 10 * time.Second

// copyFrom copies what one answer of a manager gives, but for lines that were
// copied before. It follows the log and calls following when the manager has
// begun to answer; without following, it ends at the end of what there is.
func (s *Swarm) copyFrom(ctx context.Context, from *session, log *serviceLog, following func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(from.ctx, cancel)()
	kept, err := s.journalOf(ctx, log)
	if err != nil {
		return err
	}
	since, known, err := s.readCopy(ctx, log, kept)
	if err != nil {
		return err
	}
	body, err := from.manager.serviceLog(ctx, log.id, since, following != nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if following != nil {
		following()
	}
	c := &logCopier{demuxer: newDemuxerSize(body, copyBuffer), known: known, tasks: map[string]*taskLog{}, wanted: anyTask,
		replica: func(task string) int { return s.replicaOf(ctx, from.manager, log.name, task) }}
	c.write = func(lines []byte) error {
		log.heard.Store(time.Now().UnixNano())
		if err := kept.Append(lines); err != nil {
			return fmt.Errorf("%w: %w", errNotKept, err)
		}
		log.newest = max(log.newest, c.newest) // from there on the next answer is asked for
		return nil
	}
	return c.run()
}

// readCopy gives the time from which on a log is to be asked for, 0 for all of
// it, and how many of each line since then are there already.
func (s *Swarm) readCopy(ctx context.Context, log *serviceLog, kept *journal.Journal) (since int64, known map[string]int, err error) {
	done, err := s.logs.read(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer done()
	if log.newest == 0 {
		if err := log.measure(kept); err != nil || log.newest == 0 {
			return 0, nil, err
		}
	}
	since = log.newest - int64(logOverlap)
	known = map[string]int{}
	recent := int64(-1)
	err = eachLine(kept, log.recent, func(number int64, line api.Line, raw []byte) {
		if line.Time.UnixNano() < since {
			return
		}
		known[string(raw)]++
		if recent < 0 {
			recent = number
		}
	})
	if recent >= 0 {
		log.recent = recent
	}
	return since, known, err
}

// measure reads near the end of a copy how new it is.
func (log *serviceLog) measure(kept *journal.Journal) error {
	_, next := kept.Range()
	first, oldest := int64(-1), int64(0)
	err := eachLine(kept, next-int64(fitting), func(number int64, line api.Line, _ []byte) {
		if first < 0 {
			first, oldest = number, line.Time.UnixNano()
		}
		log.newest = max(log.newest, line.Time.UnixNano())
	})
	if oldest < log.newest-2*int64(logOverlap) {
		log.recent = first
	}
	return err
}

// replicaOf says which replica a task is of; 0 if nobody knows any more.
func (s *Swarm) replicaOf(ctx context.Context, m *manager, name, id string) int {
	if r, ok := s.state.get(name); ok {
		for _, t := range r.service.tasks {
			if t.ID == id {
				return t.Replica
			}
		}
	}
	found, err := ask(ctx, func(ctx context.Context) (swarm.Task, error) {
		t, _, err := m.cli.TaskInspectWithRaw(ctx, id)
		return t, err
	})
	if err != nil {
		return 0
	}
	return found.Slot
}

// eachLine visits the lines of a copy from a number on.
func eachLine(j *journal.Journal, from int64, visit func(number int64, line api.Line, raw []byte)) error {
	r, err := j.Reader(from)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		raw, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, err := parseLine(raw)
		if err != nil {
			return err
		}
		visit(r.Number()-1, line, raw)
	}
}
