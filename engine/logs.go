package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/dockwire/dockwire/client/api"
)

// CheckLogs says whether parameters of logs are allowed, without asking the
// engine for anything. The error is of class Invalid and names the parameter.
func (e *Engine) CheckLogs(p api.LogsParams) error {
	_, err := newLogQuery(p)
	return err
}

// maxResult bounds the lines of a result on the wire, so that it stays under
// 1 MiB with all that is around them.
const maxResult = 1<<20 - 16<<10

// fitting is more lines than fit in a result, however short they are.
const fitting = maxResult / len(`{"time":"2006-01-02T15:04:05.000000000Z","stream":"stdout","text":""}`)

// Logs answers the log of a name as it is now: that of the container that the last
// update replaced, if there is one, and that of the container itself; follow is
// ignored. It holds the newest of the wanted lines that fit in 1 MiB, or with
// after the oldest: Truncated says that there are more. Cursor goes on after the
// last of them. It works for containers that do not run. A line without its
// newline is not there yet. A since that is later than until, or than now, finds
// nothing.
func (e *Engine) Logs(ctx context.Context, name string, p api.LogsParams) (api.LogsResult, error) {
	r, err := e.find(ctx, name)
	if err != nil {
		return api.LogsResult{}, err
	}
	q, err := newLogQuery(p)
	if err != nil {
		return api.LogsResult{}, err
	}
	read := e.newestLines
	if p.After != "" {
		read = e.oldestLines
	}
	got, err := read(ctx, e.logParts(r, q).after(p.After))
	if err != nil {
		return api.LogsResult{}, e.logError(err, name)
	}
	result := api.LogsResult{Name: name, Lines: []api.Line{}, Truncated: got.truncated, Cursor: encodeCursor(got.last.id, got.last.pos), Gap: got.gap}
	for _, line := range got.lines {
		result.Lines = append(result.Lines, line.line())
	}
	return result, nil
}

// excerpt is what an answer holds of a log.
type excerpt struct {
	lines     []placedLine
	truncated bool
	gap       bool
	last      logPart // where it ends
}

// newestLines goes through the parts from the last one, as far as lines of them
// are wanted, and until it is known where the log ends.
func (e *Engine) newestLines(ctx context.Context, parts logParts) (got excerpt, err error) {
	left, limited := parts[0].tail.Lines()
	got.last = parts[0]
	room, ended := maxResult, false
	for _, p := range slices.Backward(parts) {
		if limited {
			p.tail = api.TailLines(left)
		}
		w, err := e.newestOf(ctx, p.logQuery, room)
		if err != nil {
			return got, err
		}
		got.lines, got.truncated = append(w.lines, got.lines...), w.short()
		if p.passed() && !ended {
			got.last, ended = p, true
		}
		left, room = left-len(w.lines), room-w.bytes
		if got.truncated || limited && left == 0 && ended {
			break
		}
	}
	return got, nil
}

// newestOf gives the newest of the wanted lines of one container that fit in limit
// bytes, and moves the query to the end.
func (e *Engine) newestOf(ctx context.Context, q *logQuery, limit int) (*logWindow, error) {
	n, limited := q.tail.Lines()
	switch {
	case q.logFilter == (logFilter{}) && (!limited || n > fitting):
		n = fitting + 1
	case !limited:
		n = -1
	}
	w, end, err := e.tailOf(ctx, q, n, limit)
	if err == nil {
		*q = end
	}
	return w, err
}

// errFull ends a reading whose reader has enough.
var errFull = errors.New("the result is full")

// oldestLines goes through the parts from the first one, until the answer is full.
func (e *Engine) oldestLines(ctx context.Context, parts logParts) (got excerpt, err error) {
	if err := e.spreadTail(ctx, parts); err != nil {
		return got, err
	}
	w := &logWindow{max: -1, limit: maxResult}
	got.last = parts[0]
	for _, p := range parts {
		err := e.readLog(ctx, p.logQuery, func(line logLine, pos position) error {
			if !w.fits(line) {
				return errFull
			}
			w.add(line, pos)
			return nil
		})
		got.truncated = errors.Is(err, errFull)
		if err != nil && !got.truncated {
			return got, err
		}
		got.gap = got.gap || p.gap
		if p.passed() {
			got.last = p
		}
		if got.truncated {
			break
		}
	}
	got.lines = w.lines
	return got, nil
}
