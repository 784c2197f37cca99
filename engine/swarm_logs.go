package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/journal"
)

// CheckLogs checks parameters as Engine.CheckLogs does. What a cursor has to be
// is known only where its log is.
func (s *Swarm) CheckLogs(p api.LogsParams) error {
	p.After = ""
	_, err := newLogQuery(p)
	return err
}

// Logs answers the log of a service out of the copy that is kept here, as
// Engine.Logs does: the lines of all replicas, in the order in which they came.
// It has also those of replicas that are gone.
func (s *Swarm) Logs(ctx context.Context, name string, p api.LogsParams) (api.LogsResult, error) {
	q, err := s.copyQuery(ctx, name, p)
	if err != nil {
		return api.LogsResult{}, err
	}
	defer q.reader.Close()
	read := q.newest
	if p.After != "" {
		read = q.oldest
	}
	lines, truncated, err := read(p.Tail)
	if err != nil {
		return api.LogsResult{}, err
	}
	result := api.LogsResult{Name: name, Lines: []api.Line{}, Truncated: truncated, Cursor: q.cursor(), Gap: q.gap}
	for _, raw := range lines {
		line, err := parseLine(raw)
		if err != nil {
			return api.LogsResult{}, err
		}
		result.Lines = append(result.Lines, line)
	}
	return result, nil
}

// newest gives the newest of the wanted lines that fit in a result.
func (q *copyQuery) newest(tail api.Tail) (lines [][]byte, truncated bool, err error) {
	n, limited := tail.Lines()
	for size, wanted := 0, 0; ; wanted++ {
		raw, err := q.next()
		if errors.Is(err, io.EOF) {
			if limited {
				wanted = min(wanted, n)
			}
			return lines, len(lines) < wanted, nil
		}
		if err != nil {
			return nil, false, err
		}
		lines, size = append(lines, raw), size+len(raw)+len(",")
		for size > maxResult || limited && len(lines) > n {
			size -= len(lines[0]) + len(",")
			lines = lines[1:]
		}
	}
}

// oldest gives the oldest of the wanted lines that fit in a result.
func (q *copyQuery) oldest(tail api.Tail) (lines [][]byte, truncated bool, err error) {
	if err := q.skipToTail(tail); err != nil {
		return nil, false, err
	}
	for size := 0; ; {
		raw, err := q.next()
		if errors.Is(err, io.EOF) {
			return lines, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if size += len(raw) + len(","); size > maxResult {
			q.pos = q.before
			return lines, true, nil
		}
		lines = append(lines, raw)
	}
}

// copyQuery is what a caller wants of the copy of a log, and how far it got.
type copyQuery struct {
	logFilter
	record      *record // of the service
	journal     *journal.Journal
	reader      *journal.Reader
	pos, before int64 // the number of the line to go on with, and what it was one wanted line before
	seen        int64 // the number of the line after the last one that was read; 0 before the first
	gap         bool  // lines before it are gone
}

func (s *Swarm) copyQuery(ctx context.Context, name string, p api.LogsParams) (*copyQuery, error) {
	r, _, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	after := p.After
	p.After = ""
	checked, err := newLogQuery(p)
	if err != nil {
		return nil, err
	}
	log := s.logs.get(r)
	if log == nil {
		return nil, notFound(kindContainer, name, "%s was removed meanwhile", name)
	}
	s.catchUp(ctx, log)
	kept, err := s.journalOf(ctx, log)
	if err != nil && ctx.Err() == nil {
		err = &Error{Class: LogsUnavailable, Reason: "the log of " + name + " cannot be copied: see the disk of the daemon's state", Data: api.ErrorData{Kind: kindContainer, Name: name}, Err: err}
	}
	if err != nil {
		return nil, err
	}
	q := &copyQuery{logFilter: checked.logFilter, record: r, journal: kept}
	if err := q.goAfter(after); err != nil {
		return nil, err
	}
	if n, limited := p.Tail.Lines(); limited && q.logFilter == (logFilter{}) {
		_, next := q.journal.Range()
		q.pos = max(q.pos, next-int64(n))
	}
	q.seen = q.pos
	q.reader, err = q.journal.Reader(q.pos)
	return q, err
}

// next gives the next wanted line.
func (q *copyQuery) next() ([]byte, error) {
	q.before = q.pos
	for {
		raw, err := q.reader.Next()
		if err != nil {
			return nil, err
		}
		number := q.reader.Number() - 1
		q.gap = q.gap || q.seen != 0 && q.seen != number
		q.seen = number + 1
		if q.logFilter == (logFilter{}) {
			q.pos = q.seen
			return raw, nil
		}
		line, err := parseLine(raw)
		if err != nil {
			return nil, err
		}
		at := line.Time.UnixNano()
		if q.until == 0 || at < q.until { // those that only until leaves out are still to come
			q.pos = q.seen
		}
		stream := uint8(fromStdout)
		if line.Stream == api.Stderr {
			stream = fromStderr
		}
		if q.match(mark{stream: stream, time: at}, func() []byte { return []byte(line.Text) }) {
			return raw, nil
		}
	}
}

func parseLine(raw []byte) (line api.Line, err error) {
	err = json.Unmarshal(raw, &line)
	return line, err
}

// A cursor of a copy is the beginning of the service's id and, after a -, the
// number of the next line.
const copyCursorID = 12

func (q *copyQuery) cursor() string {
	return q.record.ID[:min(copyCursorID, len(q.record.ID))] + "-" + strconv.FormatInt(q.pos, 36)
}

func (q *copyQuery) goAfter(cursor string) error {
	if cursor == "" {
		return nil
	}
	id, number, _ := strings.Cut(cursor, "-")
	pos, err := strconv.ParseInt(number, 36, 64)
	first, next := q.journal.Range()
	if err != nil || pos < 0 || len(id) != copyCursorID {
		return invalid("after", "after is %s, which is no cursor of a log: give one that logs gave, or leave it out", quote(cursor))
	}
	if !strings.HasPrefix(q.record.ID, id) || pos < first || pos > next {
		q.gap = true
		return nil
	}
	q.pos = pos
	return nil
}
