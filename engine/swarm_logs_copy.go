package engine

import (
	"bytes"
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

// serviceLogs are the copies of the logs of all services, by name.
type serviceLogs struct {
	ctx     context.Context // ends with Run, and all copying with it
	copying sync.WaitGroup

	mu   sync.Mutex
	open map[string]*serviceLog
}

// serviceLog is the copy of the log of one service.
type serviceLog struct {
	id      string // of the service
	name    string
	journal *journal.Journal
	cancel  context.CancelFunc
	copied  chan struct{} // closed when nothing writes to the journal any more
}

// session is the time for which one manager is used.
type session struct {
	ctx     context.Context // ends with it
	manager *manager
}

func (l *serviceLogs) get(r *record) *serviceLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	if log := l.open[r.Name]; log != nil && log.id == r.ID {
		return log
	}
	return nil
}

func (l *serviceLogs) wait() { l.copying.Wait() }

func (s *Swarm) logDir(r *record) string { return filepath.Join(s.cfg.Swarm.LogDir, r.Name+"."+r.ID) }

// keepLog sees that the log of a service is copied, until endLog or the end of
// Run.
func (s *Swarm) keepLog(r *record) {
	if s.logs.get(r) != nil {
		return
	}
	kept, err := journal.Open(s.logDir(r), journal.Bounds{})
	if err != nil {
		s.log.Error("the log of a service cannot be copied", zap.String("name", r.Name), zap.Error(err))
		return
	}
	log := &serviceLog{id: r.ID, name: r.Name, journal: kept, copied: make(chan struct{})}
	var ctx context.Context
	ctx, log.cancel = context.WithCancel(s.logs.ctx)
	s.logs.mu.Lock()
	s.logs.open[r.Name] = log
	s.logs.mu.Unlock()
	s.logs.copying.Go(func() {
		defer close(log.copied)
		s.copyLog(ctx, log)
		log.journal.Close()
	})
}

// endLog removes the copy of the log of a service that is gone.
func (s *Swarm) endLog(r *record) {
	log := s.logs.get(r)
	if log == nil {
		return
	}
	s.logs.mu.Lock()
	delete(s.logs.open, r.Name)
	s.logs.mu.Unlock()
	log.cancel()
	<-log.copied
	if err := log.journal.Remove(); err != nil {
		s.log.Warn("the copy of a log could not be removed", zap.String("name", r.Name), zap.Error(err))
	}
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
// used, until ctx ends or the service is gone.
func (s *Swarm) copyLog(ctx context.Context, log *serviceLog) {
	wait := newBackoff(firstBackoff, lastBackoff)
	for ctx.Err() == nil {
		if current := s.session.Load(); current != nil {
			err := s.copyFrom(ctx, current, log, wait)
			if gone(err) {
				return
			}
			if err != nil && ctx.Err() == nil {
				s.log.Debug("the log of a service is cut off", zap.String("name", log.name), zap.Error(err))
			}
		}
		wait.wait(ctx)
	}
}

// logOverlap is how far back a new answer begins: further than the clocks of the
// nodes differ, and than a line takes to get here.
const logOverlap = 10 * time.Second

// copyFrom copies what one answer of a manager gives, but for lines that were
// copied before.
func (s *Swarm) copyFrom(ctx context.Context, from *session, log *serviceLog, wait *backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(from.ctx, cancel)()
	newest, err := newestTime(log.journal)
	if err != nil {
		return err
	}
	var known map[string]int
	var since int64
	if newest != 0 {
		since = newest - int64(logOverlap)
		if known, err = linesSince(log.journal, since); err != nil {
			return err
		}
	}
	body, err := from.manager.followService(ctx, log.id, since)
	if err != nil {
		return err
	}
	defer body.Close()
	c := &logCopier{demuxer: newDemuxerSize(body, copyBuffer), known: known, tasks: map[string]*taskLog{},
		write: func(lines []byte) error {
			wait.reset()
			return log.journal.Append(lines)
		},
		replica: func(task string) int { return s.replicaOf(ctx, from.manager, log.name, task) }}
	return c.run()
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

// newestTime gives the time of the newest line near the end of a copy.
func newestTime(j *journal.Journal) (newest int64, err error) {
	_, next := j.Range()
	err = eachLine(j, next-int64(fitting), func(line api.Line, _ []byte) { newest = max(newest, line.Time.UnixNano()) })
	return newest, err
}

// linesSince counts the lines of a copy that are not older than a time, by their
// text.
func linesSince(j *journal.Journal, since int64) (map[string]int, error) {
	known := map[string]int{}
	return known, eachLine(j, 0, func(line api.Line, raw []byte) {
		if line.Time.UnixNano() >= since {
			known[string(raw)]++
		}
	})
}

// eachLine visits the lines of a copy from a number on.
func eachLine(j *journal.Journal, from int64, visit func(line api.Line, raw []byte)) error {
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
		visit(line, raw)
	}
}

// logCopier makes lines of one answer of a manager. Pieces of the lines of
// several tasks lie between each other.
type logCopier struct {
	*demuxer
	tasks   map[string]*taskLog
	replica func(task string) int
	known   map[string]int // lines that are there already
	buf     []byte         // lines that are not written yet
	write   func([]byte) error
}

// taskLog is what comes of one task.
type taskLog struct {
	replica int
	lines   [2]unfinished
}

const (
	writeAt    = 64 << 10
	copyBuffer = 512 // of each service: most write little
)

func (c *logCopier) run() error {
	for {
		if c.r.Buffered() <= c.taken || len(c.buf) >= writeAt {
			if err := c.flush(); err != nil {
				return err
			}
		}
		if err := c.step(); err != nil {
			return errors.Join(err, c.flush())
		}
	}
}

func (c *logCopier) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	err := c.write(c.buf)
	c.buf = c.buf[:0]
	return err
}

const taskDetail = "com.docker.swarm.task.id="

// step takes a frame, whose text begins with who wrote it.
func (c *logCopier) step() error {
	f, err := c.frame()
	if err != nil {
		return err
	}
	details, text, _ := bytes.Cut(f.text, []byte{' '})
	_, id, ok := strings.Cut(string(details), taskDetail)
	if !ok {
		return fmt.Errorf("the swarm's log has a line of no task: %.64q", f.text)
	}
	id, _, _ = strings.Cut(id, ",")
	t := c.tasks[id]
	if t == nil {
		t = &taskLog{replica: c.replica(id)}
		c.tasks[id] = t
	}
	f.text = text
	u := &t.lines[f.stream-fromStdout]
	if u.open && u.time != f.time {
		c.emit(t, u.end()) // its newline never came; the frame is looked at again
		return nil
	}
	c.take(f)
	if line, ended := u.add(f); ended {
		c.emit(t, line)
	}
	return nil
}

func (c *logCopier) emit(t *taskLog, l logLine) {
	line := l.line()
	line.Replica = t.replica
	start := len(c.buf)
	c.buf = line.AppendJSON(c.buf)
	if written := c.buf[start:]; c.known[string(written)] > 0 {
		c.known[string(written)]--
		c.buf = c.buf[:start]
		return
	}
	c.buf = append(c.buf, '\n')
}
