package engine

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// mark says which line of a log is meant: the one of this stream and time. If
// several have both, n counts them from 0. The zero mark is before the first
// line.
type mark struct {
	stream uint8
	time   int64 // of its first piece, in Unix nanoseconds
	n      uint32
}

// position is a place in a log: after the line last, in the order in which the
// engine keeps the lines. The zero position is the beginning.
//
// A line keeps its place when the log is read again, but times are no order: two
// streams are written side by side, and a line that took long to end has the
// time of its beginning.
type position struct {
	last   mark
	newest int64 // the newest time up to here
	opened int64 // the time of the oldest line that had begun here and not ended; 0 if none
}

// disorder is how far the times of two lines may differ from their order, but
// for lines that were long in ending. Up to 46 ms were measured.
const disorder = int64(time.Second)

// since gives a time from which the log holds everything that is needed to go on
// from here: the line last, and lines that end after it.
func (p position) since() int64 {
	oldest := p.last.time
	if p.opened != 0 {
		oldest = min(oldest, p.opened)
	}
	return oldest - disorder
}

// advance gives the position after the line, which d gave just now.
func (p position) advance(line logLine, d *demuxer) position {
	return position{last: line.mark, newest: max(p.newest, line.time), opened: d.opened()}
}

// The wire form of a cursor is, in base64: a version, the beginning of the
// container's id, the stream, and then as varints time, n, newest - time and
// time - opened, the last one only if there is such a line.
const (
	cursorVersion = 1
	cursorID      = 8
)

var errCursor = errors.New("no cursor of a log")

// encodeCursor gives the cursor for a position in the log of the container.
func encodeCursor(id string, p position) string {
	buf := append(make([]byte, 0, 64), cursorVersion)
	buf = append(buf, idPrefix(id)...)
	buf = append(buf, p.last.stream)
	if p.last.stream != 0 {
		buf = binary.AppendVarint(buf, p.last.time)
		buf = binary.AppendVarint(buf, int64(p.last.n))
		buf = binary.AppendVarint(buf, p.newest-p.last.time)
		if p.opened != 0 {
			buf = binary.AppendVarint(buf, p.last.time-p.opened)
		}
	}
	return base64.RawURLEncoding.EncodeToString(buf)
}

// decodeCursor is the opposite of encodeCursor, and takes nothing that it does
// not give. It says whether the cursor is of this container.
func decodeCursor(id, cursor string) (p position, same bool, err error) {
	buf, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(buf) < 1+cursorID+1 || buf[0] != cursorVersion {
		return position{}, false, errCursor
	}
	prefix := buf[1 : 1+cursorID]
	p, ok := decodePosition(buf[1+cursorID:])
	if !ok || encodeCursor(hex.EncodeToString(prefix), p) != cursor {
		return position{}, false, errCursor
	}
	return p, string(prefix) == string(idPrefix(id)), nil
}

func decodePosition(buf []byte) (p position, ok bool) {
	p.last.stream, buf = buf[0], buf[1:]
	if p.last.stream == 0 {
		return p, true
	}
	var numbers [4]int64
	var count int
	for ; len(buf) > 0 && count < len(numbers); count++ {
		n, size := binary.Varint(buf)
		if size <= 0 {
			return p, false
		}
		numbers[count], buf = n, buf[size:]
	}
	p.last.time, p.last.n = numbers[0], uint32(numbers[1])
	p.newest = p.last.time + numbers[2]
	if count == len(numbers) {
		p.opened = p.last.time - numbers[3]
	}
	return p, count >= 3 && p.last.stream <= fromStderr
}

// idPrefix gives the first bytes of a container's id.
func idPrefix(id string) []byte {
	prefix := make([]byte, cursorID)
	hex.Decode(prefix, []byte(id[:min(len(id), 2*cursorID)]))
	return prefix
}
