package api

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// The streams of a line. A build's lines carry their phase there: Git, Stdout
// or Stderr. Those of an update or a rollback are Progress.
const (
	Git      = "git"
	Stdout   = "stdout"
	Stderr   = "stderr"
	Progress = "update"
)

// MaxLine is the longest text of a line in bytes; a longer one is cut there
// and has Cut set.
const MaxLine = 128 << 10

// Line is one line of a log or of a build's output. Text is valid UTF-8 and has
// no newline.
type Line struct {
	Time   Time   `json:"time"`
	Stream string `json:"stream"`
	Text   string `json:"text"`
	Cut    bool   `json:"cut,omitempty"`

	// Replica is the one that wrote the line, from 1, on a swarm; else 0.
	Replica int `json:"replica,omitempty"`
}

// AppendJSON appends the wire form of l to buf. It is what json.Marshal gives
// without the escaping of <, > and &, and bytes that are not UTF-8 become
// U+FFFD.
func (l Line) AppendJSON(buf []byte) []byte {
	buf = append(buf, `{"time":`...)
	buf = l.Time.AppendJSON(buf)
	buf = append(buf, `,"stream":"`...)
	buf = append(buf, l.Stream...)
	buf = append(buf, `","text":`...)
	buf = AppendString(buf, l.Text)
	if l.Cut {
		buf = append(buf, `,"cut":true`...)
	}
	if l.Replica != 0 {
		buf = append(buf, `,"replica":`...)
		buf = strconv.AppendInt(buf, int64(l.Replica), 10)
	}
	return append(buf, '}')
}

// MarshalJSON implements json.Marshaler.
func (l Line) MarshalJSON() ([]byte, error) {
	return l.AppendJSON(make([]byte, 0, len(l.Text)+96)), nil
}

var _ json.Marshaler = Line{}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string to buf: control characters and the
// two line separators of JavaScript are escaped, <, > and & are not, and bytes
// that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](buf []byte, s T) []byte {
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			buf = append(buf, s[start:i]...)
			buf = appendEscape(buf, c)
			i++
			start = i
			continue
		}
		n := min(len(s)-i, utf8.UTFMax)
		r, size := utf8.DecodeRuneInString(string(s[i : i+n]))
		switch {
		case r == utf8.RuneError && size == 1:
			buf = append(buf, s[start:i]...)
			buf = append(buf, "\ufffd"...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			buf = append(buf, s[start:i]...)
			buf = append(buf, `\u202`...)
			buf = append(buf, hex[r&0xf])
			start = i + size
		}
		i += size
	}
	buf = append(buf, s[start:]...)
	return append(buf, '"')
}

func appendEscape(buf []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(buf, '\\', c)
	case '\n':
		return append(buf, '\\', 'n')
	case '\r':
		return append(buf, '\\', 'r')
	case '\t':
		return append(buf, '\\', 't')
	case '\b':
		return append(buf, '\\', 'b')
	case '\f':
		return append(buf, '\\', 'f')
	}
	return append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}
