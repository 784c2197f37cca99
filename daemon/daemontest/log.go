package daemontest

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// Log is where a daemon logs to, as JSON: it keeps all of it, and waits for the
// line that says where the daemon listens. The zero value is ready.
type Log struct {
	mu    sync.Mutex // guards the fields below
	text  bytes.Buffer
	rest  []byte // a line that has no end yet
	ready chan Ready
}

// Ready is where a daemon listens: URLs.
type Ready struct {
	Listen, Ingress []string
}

// Control gives the HOST:PORT of the first control listener that has one.
func (r Ready) Control() string { return hostPort(r.Listen) }

// Serves gives the HOST:PORT of the first ingress.
func (r Ready) Serves() string { return hostPort(r.Ingress) }

func hostPort(urls []string) string {
	for _, url := range urls {
		scheme, rest, ok := strings.Cut(url, "://")
		if ok && scheme != "unix" {
			return strings.TrimSuffix(rest, "/")
		}
	}
	return ""
}

// Ready gives where the next daemon that logs here says, once, where it
// listens. It is asked for before the daemon starts.
func (l *Log) Ready() <-chan Ready {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest, l.ready = nil, make(chan Ready, 1)
	return l.ready
}

func (l *Log) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(data)
	l.rest = append(l.rest, data...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			return len(data), nil
		}
		l.rest = rest
		l.read(line)
	}
}

func (l *Log) read(line []byte) {
	var said struct {
		Msg string
		Ready
	}
	if l.ready == nil || json.Unmarshal(line, &said) != nil || said.Msg != "ready" {
		return
	}
	l.ready <- said.Ready
	l.ready = nil
}

// Forget drops what was logged so far.
func (l *Log) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// String gives what was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
