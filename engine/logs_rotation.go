package engine

import (
	"errors"
	"time"
)

// errRotated says that the engine's answer cannot be trusted from here on, and
// has to be asked for again.
var errRotated = errors.New("the log may have been rotated under its reader")

// When a log is rotated twice while a follower is in the middle of a file, the
// engine passes over a whole file, and later gives the newest one again from its
// beginning. Both can be seen: the times leap, since a file takes a while to
// write, or they go back. A reader that suspects it asks again from where it is,
// which gives all that there still is, in order.
const (
	rotationBytes = logFileSize / 2
	rotationLeap  = 50 * time.Millisecond
	rotationEach  = 80 // bytes of a line in the file, besides its text
)

// rotationWatch looks at the lines of one answer for signs of a rotation. The
// first line follows what the reader asked for, and is always trusted: a clock
// that was set back costs one more question, not a loop.
type rotationWatch struct {
	last  [fromStderr + 1]int64 // time of the last line of each stream
	any   int64                 // time of the last line of either
	bytes int                   // so many were read
}

// rotated says whether the line cannot be the next one: the times of a stream
// rise.
func (w *rotationWatch) rotated(line logLine) bool {
	back := line.time <= w.last[line.stream]
	leap := w.bytes >= rotationBytes && line.time-w.any >= int64(rotationLeap)
	if w.any != 0 && (back || leap) {
		return true
	}
	w.last[line.stream], w.any = line.time, line.time
	w.bytes += len(line.text) + rotationEach
	return false
}
