package engine

import (
	"context"

	"github.com/dockwire/dockwire/client/api"
)

// logPart is what one container has written of a name's log.
type logPart struct {
	*logQuery
	from int64 // since when, in Unix nanoseconds of the engine; 0 for always
}

// passed says whether the query has got past a line of this part.
func (p logPart) passed() bool { return p.pos.last != (mark{}) && p.pos.newest >= p.from }

// logParts are the parts of a name's log, in order: what the previous container
// has written, then what the current one has. One that came back by a rollback
// has written something before, too.
type logParts []logPart

// logParts gives the parts of the log of the container, each with a query of its
// own.
func (e *Engine) logParts(r *record, q *logQuery) logParts {
	kept, ok := e.state.replaced(r.Name)
	switch {
	case !ok:
		return logParts{q.part(r.ID, 0, 0)}
	case kept.until <= r.Created.UnixNano():
		return logParts{q.part(kept.ID, 0, 0), q.part(r.ID, 0, 0)}
	}
	return logParts{q.part(r.ID, 0, kept.until), q.part(kept.ID, 0, 0), q.part(r.ID, kept.until, 0)}
}

// part makes the query one for what a container has written from a time to a
// time; 0 for no bound.
func (q *logQuery) part(id string, from, to int64) logPart {
	narrowed := *q
	narrowed.id = id
	narrowed.since = max(q.since, from)
	if to != 0 && (q.until == 0 || to < q.until) {
		narrowed.until = to
	}
	return logPart{&narrowed, from}
}

// after gives the parts that are left after a cursor, if there is one. One of
// another container that had the name says that all its lines are gone.
func (parts logParts) after(cursor string) logParts {
	if cursor == "" {
		return parts
	}
	for i := len(parts) - 1; i >= 0; i-- {
		pos, same, _ := decodeCursor(parts[i].id, cursor) // it was checked
		if same && pos.newest >= parts[i].from {
			parts[i].pos = pos
			return parts[i:]
		}
	}
	parts[0].gap = true
	return parts
}

// beyond gives the parts that come after one that was read to its end. What comes
// after one that was removed by updates since is all that there is of the two
// containers after it; a name that has no previous one was created anew.
func (parts logParts) beyond(p logPart) (rest logParts, known bool) {
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i].id == p.id && (parts[i].from == p.from || i != len(parts)-1) {
			return parts[i+1:], true
		}
	}
	if len(parts) == 1 {
		return nil, false
	}
	return parts[len(parts)-2:], true
}

// spreadTail says how many lines of each part are the newest of all, if that is
// asked for.
func (e *Engine) spreadTail(ctx context.Context, parts logParts) error {
	n, limited := parts[0].tail.Lines()
	if !limited {
		return nil
	}
	for i := len(parts) - 1; i > 0; i-- {
		parts[i].tail = api.TailLines(n)
		w, _, err := e.tailOf(ctx, parts[i].logQuery, n, windowLimit)
		if err != nil {
			return err
		}
		n -= min(n, int(w.total))
	}
	parts[0].tail = api.TailLines(n)
	return nil
}

// follow follows one part after the other, each to its end. The last one ends with
// its container, or when another gets its name.
func (f *follower) follow(ctx context.Context, parts logParts) error {
	for _, p := range parts {
		gap := f.logQuery != nil && f.gap
		f.logQuery = p.logQuery
		f.gap = f.gap || gap
		if err := f.followPart(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) followPart(ctx context.Context, p logPart) error {
	f.hub = f.e.hub(f.name, p)
	defer f.hub.leave()
	return f.run(ctx)
}

// next gives the parts that have come after the last one since. None come after
// until, or when there is no container of that name any more. One that has its name
// all the same is gone on with: it lost it and got it back meanwhile, or its end
// will be known in a moment.
func (f *follower) next(ctx context.Context, q *logQuery, last logPart) logParts {
	backoff := f.e.hubs.backoff()
	for wait := true; ; wait = false {
		r, ok := f.e.state.get(f.name)
		if !ok || f.expired() || ctx.Err() != nil {
			return nil
		}
		parts := f.e.logParts(r, q)
		rest, known := parts.beyond(last)
		if !known || len(rest) > 0 {
			return rest
		}
		if !wait {
			again := parts[len(parts)-1]
			again.pos = last.pos
			return logParts{again}
		}
		backoff.wait(ctx)
	}
}
