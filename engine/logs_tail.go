package engine

import (
	"bytes"
	"context"

	"github.com/dockwire/dockwire/client/api"
)

// placedLine is a line and the position after it.
type placedLine struct {
	logLine
	pos position
}

// logWindow keeps the newest of the lines that it is given: at most max of them, if
// that is not negative, and no more than fit in limit bytes on the wire.
type logWindow struct {
	max     int
	limit   int
	lines   []placedLine
	sizes   []int
	bytes   int
	total   int64 // how many it was given
	scratch []byte
}

func (w *logWindow) add(line logLine, pos position) {
	w.total++
	size := w.size(line)
	line.text = bytes.Clone(line.text)
	w.lines, w.sizes, w.bytes = append(w.lines, placedLine{line, pos}), append(w.sizes, size), w.bytes+size
	for w.bytes > w.limit || w.max >= 0 && len(w.lines) > w.max {
		w.bytes -= w.sizes[0]
		w.lines, w.sizes = w.lines[1:], w.sizes[1:]
	}
}

// fits says whether the line can be added without pushing another out for its
// size.
func (w *logWindow) fits(line logLine) bool { return w.bytes+w.size(line) <= w.limit }

// size gives the bytes of a line on the wire, with what is between two.
func (w *logWindow) size(line logLine) int {
	w.scratch = line.appendJSON(w.scratch[:0])
	return len(w.scratch) + len(",")
}

// short says whether lines are missing that were wanted and did not fit.
func (w *logWindow) short() bool {
	wanted := w.total
	if w.max >= 0 {
		wanted = min(wanted, int64(w.max))
	}
	return int64(len(w.lines)) < wanted
}

// enough gives how many lines at the end of a log have to be whole for what is
// kept to be right: the last one in any case, since that is where to go on.
func (w *logWindow) enough() int {
	if w.short() {
		return len(w.lines) + 1
	}
	return max(1, w.max)
}

const (
	windowLimit = 4 << 20 // of a tail that is kept in memory; a longer one is read twice
	tailMargin  = 8       // pieces that are asked for beyond the number of lines
	tailMost    = 1 << 20 // pieces that are asked for at most, before it is the whole log
)

// readTail visits the n newest of the wanted lines, and moves the query to the
// end of the log. If they do not fit in memory done is false, and the query is
// ready to be read once more, passing over those that are older.
func (e *Engine) readTail(ctx context.Context, q *logQuery, n int, visit func(logLine, position) error) (done bool, err error) {
	w, end, err := e.tailOf(ctx, q, n, windowLimit)
	if err != nil {
		return false, err
	}
	if w.short() {
		total, err := e.countLines(ctx, *q)
		if err == nil {
			q.tail, q.skip = api.Tail{}, max(0, total-int64(n))
		}
		return false, err
	}
	q.tail, q.gap = api.Tail{}, end.gap
	for _, line := range w.lines {
		if err := visit(line.logLine, line.pos); err != nil {
			return true, err
		}
		q.pos = line.pos
	}
	q.pos = end.pos
	return true, nil
}

func (e *Engine) countLines(ctx context.Context, q logQuery) (total int64, err error) {
	q.tail = api.Tail{}
	err = e.readLog(ctx, &q, func(logLine, position) error {
		total++
		return nil
	})
	return total, err
}

// tailOf gives the n newest of the wanted lines, all if n is negative, as far as
// limit bytes hold them, and the query as it is at the end of the log. Where
// nothing but their number says which lines are wanted, the engine's own tail
// spares reading the whole log. It counts pieces, so more are asked for until
// there are enough lines that are known to be whole.
func (e *Engine) tailOf(ctx context.Context, q *logQuery, n, limit int) (*logWindow, logQuery, error) {
	o := q.options()
	if q.logFilter == (logFilter{}) && q.pos.last == (mark{}) && n >= 0 && n < tailMost {
		o.tail = n + tailMargin
	}
	for {
		w, end := &logWindow{max: n, limit: limit}, *q
		end.tail = api.Tail{}
		r, err := e.scanSince(ctx, &end, o, func(line logLine, pos position) error {
			w.add(line, pos)
			return nil
		})
		if err != nil {
			return nil, end, err
		}
		if o.tail == 0 || r.frames < o.tail || r.count-r.doubt >= w.enough() {
			return w, end, nil
		}
		if o.tail *= 4; o.tail > tailMost {
			o.tail = 0
		}
	}
}
