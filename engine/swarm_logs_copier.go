package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// logCopier makes lines of one answer of a manager. Pieces of the lines of
// several tasks lie between each other.
type logCopier struct {
	*demuxer
	tasks   map[string]*taskLog
	replica func(task string) int
	wanted  func(task string) bool // whose lines are taken
	known   map[string]int         // lines that are there already
	buf     []byte                 // lines that are not written yet
	newest  int64                  // the time of the newest line that has come
	write   func([]byte) error
}

// taskLog is what comes of one task.
type taskLog struct {
	replica  int
	unwanted bool
	lines    [2]unfinished
}

const (
	writeAt    = 64 << 10
	copyBuffer = 512 // is kept for each service: most write little
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
	if c.buf = c.buf[:0]; cap(c.buf) > copyBuffer {
		c.buf = nil
	}
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
		t = &taskLog{replica: c.replica(id), unwanted: !c.wanted(id)}
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
	if t.unwanted {
		return
	}
	c.newest = max(c.newest, l.time)
	line := l.line()
	line.Replica = t.replica
	start := len(c.buf)
	c.buf = line.AppendJSON(c.buf)
	if written := string(c.buf[start:]); c.known[written] > 0 {
		if c.known[written]--; c.known[written] == 0 {
			delete(c.known, written)
		}
		c.buf = c.buf[:start]
		return
	}
	c.buf = append(c.buf, '\n')
}
