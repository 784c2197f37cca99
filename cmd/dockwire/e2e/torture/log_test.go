package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

// logFile takes what a daemon writes, and tells when it is ready.
type logFile struct {
	mu    sync.Mutex // guards the fields below
	text  bytes.Buffer
	line  []byte
	ready chan readyLine
}

// readyLine is the line that says where the daemon listens.
type readyLine struct {
	Msg     string
	Listen  []string
	Ingress []string
}

// awaitReady gives where the next line that says so comes.
func (l *logFile) awaitReady() <-chan readyLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line, l.ready = nil, make(chan readyLine, 1)
	return l.ready
}

func (l *logFile) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(data)
	l.line = append(l.line, data...)
	for {
		advance, line, _ := bufio.ScanLines(l.line, false)
		if advance == 0 {
			return len(data), nil
		}
		var ready readyLine
		if json.Unmarshal(line, &ready) == nil && ready.Msg == "ready" {
			l.ready <- ready
		}
		l.line = l.line[advance:]
	}
}

func (l *logFile) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (r readyLine) addresses(t testing.TB) (control, ingress string) {
	t.Helper()
	for _, listen := range r.Listen {
		if address, ok := strings.CutPrefix(listen, "ws://"); ok {
			control = address
		}
	}
	if control == "" || len(r.Ingress) == 0 {
		t.Fatalf("the ready line names no address: %+v", r)
	}
	return control, strings.TrimPrefix(r.Ingress[0], "http://")
}
