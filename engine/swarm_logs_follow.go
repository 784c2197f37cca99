package engine

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

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
	if err := q.skipToTail(p.Tail); err != nil {
		return err
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

// skipToTail goes to where the newest of the wanted lines begin, as many as tail
// says. Where all lines are wanted the query begins there.
func (q *copyQuery) skipToTail(tail api.Tail) error {
	n, limited := tail.Lines()
	if !limited || q.logFilter == (logFilter{}) {
		return nil
	}
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
	q.pos, q.seen = starts[0], starts[0]
	reader, err := q.journal.Reader(q.pos)
	q.reader = reader
	return err
}
