package faults

import (
	"bufio"
	"errors"
	"io"
)

var errCut = errors.New("cut by a test")

// truncated is a body of which there is no more than a part.
type truncated struct {
	io.ReadCloser
	left int64
	end  func() error // what comes of reading on
}

func (t *truncated) Read(buf []byte) (int, error) {
	if t.left == 0 {
		return 0, t.end()
	}
	n, err := t.ReadCloser.Read(buf[:min(int64(len(buf)), t.left)])
	t.left -= int64(n)
	return n, err
}

// mangle leaves lines of a body out, and repeats some, as the rule says. Each
// goes on as soon as it has come.
func (p *Proxy) mangle(rule Rule, body io.ReadCloser) io.ReadCloser {
	return &mangled{Closer: body, lines: bufio.NewReader(body), times: func(line []byte) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case rule.Without != nil && rule.Without.Match(line):
			return 0
		case p.chance(rule.Drop, false):
			return 0
		case p.chance(rule.Double, false):
			return 2
		}
		return 1
	}}
}

type mangled struct {
	io.Closer
	lines *bufio.Reader
	times func(line []byte) int // how often it comes
	rest  []byte                // of what has been read and not been passed on
}

func (m *mangled) Read(buf []byte) (int, error) {
	for len(m.rest) == 0 {
		line, err := m.lines.ReadBytes('\n')
		for range m.times(line) {
			m.rest = append(m.rest, line...)
		}
		if err != nil && len(m.rest) == 0 {
			return 0, err
		}
	}
	n := copy(buf, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}
