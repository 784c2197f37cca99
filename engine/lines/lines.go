// Package lines makes lines out of what a program writes.
package lines

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dockwire/dockwire/client/api"
)

// Writer hands over what is written to it line by line: valid UTF-8 of at most
// api.MaxLine bytes, without the newline. A line that ends in a carriage return
// is a progress bar that the next one overwrites, and of these it lets one
// through a second.
type Writer struct {
	emit     func(text string)
	line     []byte    // the current line, as much of it as is kept
	returned bool      // carriage returns ended it, unless a newline follows
	progress time.Time // when the last of a progress bar went through
}

// longest is how much of a line is kept until it has ended: enough to see where
// the last character that fits ends.
const longest = api.MaxLine + utf8.UTFMax

const progressEvery = time.Second

// NewWriter gives a Writer that hands lines to emit.
func NewWriter(emit func(text string)) *Writer {
	return &Writer{emit: emit, progress: time.Now()}
}

// Write takes bytes that may begin and end anywhere in a line. It never fails.
func (w *Writer) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if w.returned && b[0] != '\n' && b[0] != '\r' {
			w.overwritten()
		}
		end := bytes.IndexAny(b, "\r\n")
		if end < 0 {
			w.add(b)
			break
		}
		w.add(b[:end])
		if b[end] == '\r' {
			w.returned = true
		} else {
			w.end()
		}
		b = b[end+1:]
	}
	return n, nil
}

// Flush hands over a line that has no newline yet.
func (w *Writer) Flush() {
	if len(w.line) > 0 {
		w.end()
	}
	w.returned = false
}

func (w *Writer) add(b []byte) {
	w.line = append(w.line, b[:min(len(b), longest-len(w.line))]...)
}

func (w *Writer) end() {
	text := string(w.line)
	w.line, w.returned = w.line[:0], false
	w.emit(Clean(text))
}

func (w *Writer) overwritten() {
	if now := time.Now(); len(w.line) > 0 && now.Sub(w.progress) >= progressEvery {
		w.progress = now
		w.end()
	}
	w.line, w.returned = w.line[:0], false
}

// Clean makes a line of text that may be anything: valid UTF-8 of at most
// api.MaxLine bytes. Of several lines it is the first.
func Clean(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= api.MaxLine {
		return text
	}
	end := api.MaxLine
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
