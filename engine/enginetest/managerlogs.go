package enginetest

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// managerLogs are what the replicas of a made-up swarm have written.
type managerLogs struct {
	followed atomic.Int64 // how many answers are open that go on

	mu      sync.Mutex // guards what follows
	frames  map[string][]managerFrame
	written chan struct{} // closed and replaced at each line
}

// managerFrame is a line as the API has it.
type managerFrame struct {
	time time.Time
	data []byte
}

// Write has the first replica of a service write a line.
func (m *Manager) Write(service int, text string) { m.WriteAt(service, time.Now(), text) }

// WriteAt is Write at another time.
func (m *Manager) WriteAt(service int, at time.Time, text string) {
	m.mu.RLock()
	id, task := m.services[service].ID, m.tasks[service*len(m.tasks)/len(m.services)].ID
	m.mu.RUnlock()
	line := fmt.Sprintf("%s com.docker.swarm.service.id=%s,com.docker.swarm.task.id=%s %s\n", at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00"), id, task, text)
	frame := binary.BigEndian.AppendUint32([]byte{1, 0, 0, 0}, uint32(len(line)))
	m.logs.mu.Lock()
	defer m.logs.mu.Unlock()
	m.logs.frames[id] = append(m.logs.frames[id], managerFrame{at, append(frame, line...)})
	close(m.logs.written)
	m.logs.written = make(chan struct{})
}

// Followed gives how many logs somebody follows.
func (m *Manager) Followed() int { return int(m.logs.followed.Load()) }

// serve answers a log from a time on, to its end or as it is written.
func (l *managerLogs) serve(w http.ResponseWriter, r *http.Request) {
	follow, _ := strconv.ParseBool(r.FormValue("follow"))
	if follow {
		l.followed.Add(1)
		defer l.followed.Add(-1)
	}
	w.WriteHeader(http.StatusOK)
	since := sinceOf(r)
	for sent := 0; ; {
		frames, written := l.after(r.PathValue("id"), sent)
		for _, frame := range frames {
			if !frame.time.Before(since) {
				w.Write(frame.data)
			}
		}
		sent += len(frames)
		http.NewResponseController(w).Flush()
		if !follow {
			return
		}
		select {
		case <-written:
		case <-r.Context().Done():
			return
		}
	}
}

func (l *managerLogs) after(id string, sent int) (frames []managerFrame, written <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frames[id][sent:], l.written
}

// sinceOf reads a time as the API takes it, SECONDS.NANOSECONDS.
func sinceOf(r *http.Request) time.Time {
	seconds, nanoseconds, _ := strings.Cut(r.FormValue("since"), ".")
	s, _ := strconv.ParseInt(seconds, 10, 64)
	n, _ := strconv.ParseInt(nanoseconds, 10, 64)
	return time.Unix(s, n)
}
