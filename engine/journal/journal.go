// Package journal keeps the newest lines of a log on disk, numbered from 0.
//
// A Journal is a directory of segments. It is bounded: when the newest segment
// is full another is begun, and the oldest goes. One writer appends; readers are
// positions in it, read at their own speed, and nobody waits for them. No file is
// open between two writes, so that there can be thousands.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Bounds of a Journal. Zero fields mean the defaults beside them.
type Bounds struct {
	Segment  int64 // bytes of one: 10 MiB
	Segments int   // how many are kept: 3
}

// Journal is a log on disk. Its methods may be called at the same time.
type Journal struct {
	dir    string
	bounds Bounds

	mu       sync.Mutex
	segments []segment // oldest first, one at least
	changed  chan struct{}
	ended    bool
}

type segment struct {
	first int64 // the number of its first line
	lines int64
	size  int64
}

// Open opens the journal in dir, which it makes if need be. What was written of
// a last line when the writer was killed is dropped.
func Open(dir string, bounds Bounds) (*Journal, error) {
	if bounds.Segment == 0 {
		bounds.Segment = 10 << 20
	}
	if bounds.Segments == 0 {
		bounds.Segments = 3
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, bounds: bounds, changed: make(chan struct{})}
	if err := j.load(); err != nil {
		return nil, err
	}
	if len(j.segments) == 0 {
		return j, j.begin(0)
	}
	last := j.segments[len(j.segments)-1]
	return j, os.Truncate(j.file(last.first), last.size)
}

func (j *Journal) load() error {
	entries, err := os.ReadDir(j.dir) // by name, which is by number
	for _, entry := range entries {
		var s segment
		if _, err := fmt.Sscanf(entry.Name(), fileName, &s.first); err != nil {
			continue
		}
		if err := s.measure(filepath.Join(j.dir, entry.Name())); err != nil {
			return err
		}
		j.segments = append(j.segments, s)
	}
	return err
}

// measure reads how many whole lines a segment has, and how long they are.
func (s *segment) measure(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	buf := make([]byte, min(chunk, 1+info.Size()))
	for read := int64(0); ; {
		n, err := file.Read(buf)
		if last := bytes.LastIndexByte(buf[:n], '\n'); last >= 0 {
			s.lines += int64(bytes.Count(buf[:n], newline))
			s.size = read + int64(last) + 1
		}
		read += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

const fileName = "%020d.log"

var newline = []byte{'\n'}

func (j *Journal) file(first int64) string { return filepath.Join(j.dir, fmt.Sprintf(fileName, first)) }

// begin begins a segment. The caller holds mu, or is alone.
func (j *Journal) begin(first int64) error {
	err := os.WriteFile(j.file(first), nil, 0o600)
	if err != nil {
		return err
	}
	j.segments = append(j.segments, segment{first: first})
	for len(j.segments) > j.bounds.Segments {
		err = errors.Join(err, os.Remove(j.file(j.segments[0].first)))
		j.segments = j.segments[1:]
	}
	return err
}

// Append adds lines, each with its newline. What could not be written whole is
// not there.
func (j *Journal) Append(lines []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := &j.segments[len(j.segments)-1]
	if last.size >= j.bounds.Segment {
		if err := j.begin(last.first + last.lines); err != nil {
			return err
		}
		last = &j.segments[len(j.segments)-1]
	}
	if err := appendTo(j.file(last.first), lines); err != nil {
		return errors.Join(err, os.Truncate(j.file(last.first), last.size))
	}
	last.size += int64(len(lines))
	last.lines += int64(bytes.Count(lines, newline))
	j.wake()
	return nil
}

func appendTo(file string, lines []byte) error {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(lines)
	return errors.Join(err, out.Close())
}

func (j *Journal) wake() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// Range gives the number of the oldest line that is kept, and that of the next
// to come.
func (j *Journal) Range() (first, next int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := j.segments[len(j.segments)-1]
	return j.segments[0].first, last.first + last.lines
}

// Changed gives a channel that is closed when there is more to read, or the
// journal ends. To miss nothing, take it before reading.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

// Ended says whether no more lines come.
func (j *Journal) Ended() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// Close ends the journal and keeps it.
func (j *Journal) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended {
		j.ended = true
		j.wake()
	}
}

// Remove ends the journal and deletes it. Readers go on to the end of the segment
// that they read.
func (j *Journal) Remove() error {
	j.Close()
	return os.RemoveAll(j.dir)
}

// Reader reads lines in order. It is not for several goroutines.
type Reader struct {
	journal *Journal
	file    *os.File
	segment int64 // the number of its first line
	offset  int64 // of what was read of the file
	rest    []byte
	next    int64 // the number of the next line
}

// Reader gives a reader that begins with the line of this number, or with the
// oldest if that is gone. It has to be closed.
func (j *Journal) Reader(from int64) (*Reader, error) {
	r := &Reader{journal: j}
	j.mu.Lock()
	at := j.segments[0]
	for _, s := range j.segments {
		if s.first <= from {
			at = s
		}
	}
	err := r.open(at.first)
	j.mu.Unlock()
	for err == nil && r.next < from {
		_, err = r.Next()
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return r, err
}

// open opens a segment. The caller holds the journal's mu, so that it is there.
func (r *Reader) open(first int64) error {
	file, err := os.Open(r.journal.file(first))
	if err != nil {
		return err
	}
	r.Close()
	r.file, r.segment, r.offset, r.rest, r.next = file, first, 0, nil, first
	return nil
}

// Close frees the file.
func (r *Reader) Close() {
	if r.file != nil {
		r.file.Close()
	}
}

// Number gives the number of the line that Next gives next, if it is kept.
func (r *Reader) Number() int64 { return r.next }

// Next gives the next line, without its newline; it is valid until the next
// call. At the end of what there is now it gives io.EOF, and may be called again
// later.
func (r *Reader) Next() ([]byte, error) {
	for {
		if line, rest, ok := bytes.Cut(r.rest, newline); ok {
			r.rest = rest
			r.next++
			return line, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

const chunk = 64 << 10

// fill reads on, in the segment or in the one after it.
func (r *Reader) fill() error {
	size, after := r.place()
	switch {
	case r.offset < size:
		buf := make([]byte, len(r.rest)+int(min(chunk, size-r.offset)))
		n := copy(buf, r.rest)
		m, err := r.file.ReadAt(buf[n:], r.offset)
		if err != nil {
			return err
		}
		r.offset += int64(m)
		r.rest = buf
		return nil
	case after:
		return r.advance()
	}
	return io.EOF
}

// place says how much of the segment is written, and whether another came after
// it. Of one that was dropped all is written that there is.
func (r *Reader) place() (size int64, after bool) {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	for i, s := range r.journal.segments {
		if s.first == r.segment {
			return s.size, i < len(r.journal.segments)-1
		}
	}
	info, err := r.file.Stat()
	if err != nil {
		return 0, true
	}
	return info.Size(), true
}

func (r *Reader) advance() error {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	for _, s := range r.journal.segments {
		if s.first > r.segment {
			err := r.open(s.first)
			if r.journal.ended && errors.Is(err, os.ErrNotExist) {
				return io.EOF // it was removed
			}
			return err
		}
	}
	return io.EOF
}
