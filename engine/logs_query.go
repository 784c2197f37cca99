package engine

import (
	"context"
	"errors"
	"io"
	"regexp"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// logFilter says which lines of a log are wanted. The zero logFilter wants all.
type logFilter struct {
	stream       uint8 // 0 for both
	since, until int64 // Unix nanoseconds, since inclusive; 0 for no bound
	grep         *regexp.Regexp
}

// match says whether a line is wanted; text gives its text, if that matters.
func (f *logFilter) match(m mark, text func() []byte) bool {
	return (f.stream == 0 || m.stream == f.stream) &&
		m.time >= f.since && (f.until == 0 || m.time < f.until) &&
		(f.grep == nil || f.grep.Match(text()))
}

// all says whether every line is wanted.
func (f *logFilter) all() bool { return *f == logFilter{} }

// logQuery is what a caller wants of a log, and how far it got. It can be read
// again and again, each time from where it was to the end that the log has then.
type logQuery struct {
	logFilter
	id   string
	pos  position
	gap  bool     // lines after pos were gone
	tail api.Tail // resolved by the first read
	skip int64    // wanted lines to pass over, since they are not of the tail
}

// newLogQuery checks the parameters of a call. It is not of a container yet.
func newLogQuery(p api.LogsParams) (*logQuery, error) {
	q := &logQuery{tail: p.Tail}
	if n, limited := p.Tail.Lines(); limited && n < 0 {
		return nil, invalid("tail", `tail is %d: a number of lines from 0 on, or "all", is wanted`, n)
	}
	now := time.Now()
	var err error
	if q.since, err = parseMoment("since", p.Since, now); err != nil {
		return nil, err
	}
	if q.until, err = parseMoment("until", p.Until, now); err != nil {
		return nil, err
	}
	if q.stream, err = parseStream(p.Stream); err != nil {
		return nil, err
	}
	if q.grep, err = parseGrep(p.Grep); err != nil {
		return nil, err
	}
	return q, checkCursor(p.After)
}

func checkCursor(after string) error {
	if after == "" {
		return nil
	}
	if _, _, err := decodeCursor("", after); err != nil {
		return invalid("after", "after is %s, which is no cursor of a log: give one that logs gave, or leave it out", quote(after))
	}
	return nil
}

func parseMoment(param, text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
		return max(1, t.UnixNano()), nil
	}
	if back, err := time.ParseDuration(text); err == nil && back >= 0 {
		return max(1, now.Add(-back).UnixNano()), nil
	}
	return 0, invalid(param, `%s is %s: a time such as 2030-01-31T12:00:00Z, or a duration back from now such as "10m", is wanted`, param, quote(text))
}

func parseStream(text string) (uint8, error) {
	switch text {
	case "", "both":
		return 0, nil
	case api.Stdout:
		return fromStdout, nil
	case api.Stderr:
		return fromStderr, nil
	}
	return 0, invalid("stream", "stream is %s: stdout, stderr or both is wanted", quote(text))
}

// maxGrep bounds what it costs to compile an expression.
const maxGrep = 4096

func parseGrep(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxGrep {
		return nil, invalid("grep", "grep has %d bytes: it may have %d", len(text), maxGrep)
	}
	expression, err := regexp.Compile(text)
	if err != nil {
		return nil, invalid("grep", "grep is no RE2 expression: %v", err)
	}
	return expression, nil
}

// readLog visits the wanted lines from where the query is to the end of the log.
// Lines are read as they are visited, so that a slow visitor costs no memory. An
// error leaves the query where it was when it came, so that read can be called
// again.
func (e *Engine) readLog(ctx context.Context, q *logQuery, visit func(logLine, position) error) error {
	if n, limited := q.tail.Lines(); limited {
		done, err := e.readTail(ctx, q, n, visit)
		if done || err != nil {
			return err
		}
	}
	_, err := e.scanSince(ctx, q, q.options(), visit)
	if err == nil {
		q.skip = 0 // what comes now is of the tail, though older lines rotated away meanwhile
	}
	return err
}

// options lets the engine leave out what is not wanted, where that does not hide
// how far the query gets.
func (q *logQuery) options() logOptions {
	if q.until != 0 {
		return logOptions{until: q.until}
	}
	return logOptions{since: q.since}
}

// scanSince is scanLog, but a query that finds nothing since its time is at the
// end of the log by then, and not at the beginning.
func (e *Engine) scanSince(ctx context.Context, q *logQuery, o logOptions, visit func(logLine, position) error) (*logReader, error) {
	if o.since == 0 || q.pos.last != (mark{}) {
		return e.scanLog(ctx, q, o, visit)
	}
	end := logQuery{tail: api.TailLines(0), id: q.id}
	if err := e.readLog(ctx, &end, nil); err != nil {
		return nil, err
	}
	r, err := e.scanLog(ctx, q, o, visit)
	if err == nil && q.pos.last == (mark{}) {
		q.pos = end.pos
	}
	return r, err
}

// moveTo moves the query along, over lines that are not wanted too, but for those
// that only until leaves out: they are still to come.
func (q *logQuery) moveTo(pos position) {
	if q.until == 0 || pos.last.time < q.until {
		q.pos = pos
	}
}

// scanLog is one reading of the log, as far as the options reach.
func (e *Engine) scanLog(ctx context.Context, q *logQuery, o logOptions, visit func(logLine, position) error) (*logReader, error) {
	r, gap, err := e.openLogAfter(ctx, q.id, q.pos, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if gap {
		q.gap, q.pos = true, position{}
	}
	for at := q.pos; ; {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		at = at.advance(line, r.demuxer)
		if q.wants(line) {
			if err := visit(line, at); err != nil {
				return nil, err
			}
		}
		q.moveTo(at)
	}
}

func (q *logQuery) wants(line logLine) bool {
	if !q.match(line.mark, func() []byte { return line.text }) {
		return false
	}
	if q.skip > 0 {
		q.skip--
		return false
	}
	return true
}
