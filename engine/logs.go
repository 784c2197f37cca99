package engine

import (
	"context"
	"errors"

	"github.com/dockwire/dockwire/client/api"
)

// CheckLogs says whether parameters of logs are allowed, without asking the
// engine for anything. The error is of class Invalid and names the parameter.
func (e *Engine) CheckLogs(p api.LogsParams) error {
	_, err := newLogQuery("", p)
	return err
}

// maxResult bounds the lines of a result on the wire, so that it stays under
// 1 MiB with all that is around them.
const maxResult = 1<<20 - 16<<10

// fitting is more lines than fit in a result, however short they are.
const fitting = maxResult / len(`{"time":"2006-01-02T15:04:05.000000000Z","stream":"stdout","text":""}`)

// Logs answers the log of a container as it is now; follow is ignored. It holds
// the newest of the wanted lines that fit in 1 MiB, or with after the oldest:
// Truncated says that there are more. Cursor goes on after the last of them. It
// works for containers that do not run. A line without its newline is not
// there yet. A since that is later than until, or than now, finds nothing.
func (e *Engine) Logs(ctx context.Context, name string, p api.LogsParams) (api.LogsResult, error) {
	r, err := e.find(ctx, name)
	if err != nil {
		return api.LogsResult{}, err
	}
	q, err := newLogQuery(r.ID, p)
	if err != nil {
		return api.LogsResult{}, err
	}
	read := e.newestLines
	if p.After != "" {
		read = e.oldestLines
	}
	w, truncated, err := read(ctx, q)
	if err != nil {
		return api.LogsResult{}, e.logError(err, name)
	}
	result := api.LogsResult{Name: name, Lines: []api.Line{}, Truncated: truncated, Cursor: encodeCursor(r.ID, q.pos), Gap: q.gap}
	for _, line := range w.lines {
		result.Lines = append(result.Lines, line.line())
	}
	return result, nil
}

func (e *Engine) newestLines(ctx context.Context, q *logQuery) (*logWindow, bool, error) {
	n, limited := q.tail.Lines()
	switch {
	case q.logFilter == (logFilter{}) && (!limited || n > fitting):
		n = fitting + 1
	case !limited:
		n = -1
	}
	w, end, err := e.tailOf(ctx, q, n, maxResult)
	if err != nil {
		return nil, false, err
	}
	*q = end
	return w, w.short(), nil
}

// errFull ends a reading whose reader has enough.
var errFull = errors.New("the result is full")

func (e *Engine) oldestLines(ctx context.Context, q *logQuery) (*logWindow, bool, error) {
	w := &logWindow{max: -1, limit: maxResult}
	err := e.readLog(ctx, q, func(line logLine, pos position) error {
		if !w.fits(line) {
			return errFull
		}
		w.add(line, pos)
		return nil
	})
	if errors.Is(err, errFull) {
		return w, true, nil
	}
	return w, false, err
}
