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
// write, or they go back. A reader that suspects it reads on without following,
// which gives all that there still is, in order, and follows again from there.
const (
	rotationLeap  = 50 * time.Millisecond
	rotationBytes = logFileSize / 100 // that a log would have grown by in a leap, at its pace before
	rotationEach  = 80                // bytes of a line in the file, besides its text
)

// rotationWatch looks at the lines of a log for signs of a rotation.
type rotationWatch struct {
	last [fromStderr + 1]int64 // time of the last line of each stream
	any  int64                 // time of the last line of either

	second        int64 // when the second began, by the times of the lines, that is counted
	bytes, before int   // of it, and of the one before
}

// rotated says whether the line cannot be trusted to be the next one: the times
// of a stream rise, and what is written fast is seldom written in leaps.
func (w *rotationWatch) rotated(line logLine) bool {
	if w.any == 0 {
		return false
	}
	leap := time.Duration(line.time - w.any)
	grown := leap.Seconds() * float64(max(w.bytes, w.before))
	return line.time <= w.last[line.stream] || leap >= rotationLeap && grown >= rotationBytes
}

// note takes a line that is the next one.
func (w *rotationWatch) note(line logLine) {
	w.last[line.stream], w.any = line.time, line.time
	if passed := line.time - w.second; passed < 0 || passed >= int64(time.Second) {
		w.second, w.before = line.time, w.bytes
		w.bytes = 0
	}
	w.bytes += len(line.text) + rotationEach
}
