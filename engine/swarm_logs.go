package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

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
	for size := 0; ; {
		raw, err := q.next()
		if errors.Is(err, io.EOF) {
			return lines, truncated, nil
		}
		if err != nil {
			return nil, false, err
		}
		lines, size = append(lines, raw), size+len(raw)+len(",")
		for size > maxResult || limited && len(lines) > n {
			truncated = truncated || size > maxResult
			size -= len(lines[0]) + len(",")
			lines = lines[1:]
		}
	}
}

// oldest gives the oldest of the wanted lines that fit in a result.
func (q *copyQuery) oldest(api.Tail) (lines [][]byte, truncated bool, err error) {
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
		if number := q.reader.Number() - 1; q.pos != number {
			q.gap = q.gap || q.pos != 0
			q.pos = number
		}
		if q.logFilter == (logFilter{}) {
			q.pos++
			return raw, nil
		}
		line, err := parseLine(raw)
		if err != nil {
			return nil, err
		}
		at := line.Time.UnixNano()
		if q.until == 0 || at < q.until {
			q.pos++
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

// FollowLogs follows the log of the service with this name out of the copy that
// is kept here, as Engine.FollowLogs does.
func (s *Swarm) FollowLogs(ctx context.Context, name string, p api.LogsParams) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		err := s.followLogs(ctx, name, p, func(c Chunk) bool { return yield(c, nil) })
		if err != nil && !errors.Is(err, errLeft) {
			yield(Chunk{}, err)
		}
	}
}

func (s *Swarm) followLogs(ctx context.Context, name string, p api.LogsParams, yield func(Chunk) bool) error {
	q, err := s.copyQuery(ctx, name, p)
	if err != nil {
		return err
	}
	defer func() { q.reader.Close() }()
	defer s.holdLog(ctx, q.record)()
	if n, limited := p.Tail.Lines(); limited && q.logFilter != (logFilter{}) {
		if err := q.skipToTail(n); err != nil {
			return err
		}
	}
	var expired <-chan time.Time
	if q.until != 0 {
		expired = time.After(time.Until(time.Unix(0, q.until)))
	}
	for told := (teller{yield: yield}); ; {
		written, changed, last := q.journal.Changed(), s.state.next(), q.journal.Ended() || q.expired()
		if err := q.send(yield); err != nil || last {
			return err
		}
		if err := told.paused(!s.Up()); err != nil {
			return err
		}
		select {
		case <-written:
		case <-changed:
		case <-expired:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// expired says whether no further line can be wanted.
func (q *copyQuery) expired() bool { return q.until != 0 && time.Now().UnixNano() >= q.until }

// send hands out all wanted lines that there are.
func (q *copyQuery) send(yield func(Chunk) bool) error {
	for {
		chunk, err := q.chunk()
		if err != nil || chunk.Count == 0 {
			return err
		}
		if !yield(chunk) {
			return errLeft
		}
	}
}

// teller tells a follower whether the swarm is away, when that changes.
type teller struct {
	yield func(Chunk) bool
	away  bool
}

func (t *teller) paused(away bool) error {
	if away == t.away {
		return nil
	}
	t.away = away
	if !t.yield(Chunk{State: pausedOrResumed(away)}) {
		return errLeft
	}
	return nil
}

// chunk gathers wanted lines, as many as there are and fit. An empty one is at
// the end of what there is.
func (q *copyQuery) chunk() (c Chunk, err error) {
	for size := 0; size < MaxChunk; {
		raw, err := q.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, err
		}
		c.Lines = append(c.Lines, raw)
		c.Count++
		size += len(raw) + len(",")
	}
	if c.Count > 0 {
		c.Cursor, c.Gap, q.gap = q.cursor(), q.gap, false
	}
	return c, nil
}

// skipToTail goes to where the n newest of the wanted lines begin.
func (q *copyQuery) skipToTail(n int) error {
	starts := []int64{}
	for {
		_, err := q.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if starts = append(starts, q.reader.Number()-1); len(starts) > n {
			starts = starts[1:]
		}
	}
	if len(starts) == 0 {
		return nil
	}
	q.reader.Close()
	q.pos = starts[0]
	reader, err := q.journal.Reader(q.pos)
	q.reader = reader
	return err
}

// withLines adds what a service wrote last to the error of a start that failed.
func (s *Swarm) withLines(ctx context.Context, m *manager, id string, err error) error {
	var failed *Error
	if !errors.As(err, &failed) || failed.Class != StartFailed {
		return err
	}
	const most = 20
	written, asked := ask(ctx, func(ctx context.Context) ([]byte, error) {
		body, err := m.cli.ServiceLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Details: true, Tail: strconv.Itoa(most)})
		if err != nil {
			return nil, err
		}
		defer body.Close()
		var all []byte
		c := &logCopier{demuxer: newDemuxer(body), tasks: map[string]*taskLog{}, replica: func(string) int { return 0 },
			write: func(lines []byte) error { all = append(all, lines...); return nil }}
		if err := c.run(); !errors.Is(err, io.EOF) {
			return all, err
		}
		return all, nil
	})
	if asked != nil {
		return err // the lines are an extra
	}
	for raw := range strings.Lines(string(written)) {
		if line, err := parseLine([]byte(raw)); err == nil {
			failed.Data.Lines = append(failed.Data.Lines, line)
		}
	}
	failed.Data.Lines = failed.Data.Lines[max(0, len(failed.Data.Lines)-most):]
	return err
}
