package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"
)

// looksAtOnce bounds how many containers are looked at side by side.
const looksAtOnce = 4

// lookRounds is after how many lists every container was looked at.
const lookRounds = 10

// list gives the containers that the engine has of us.
func (e *Engine) list(ctx context.Context, more ...filters.KeyValuePair) ([]container.Summary, error) {
	return within(ctx, syncTimeout, func(ctx context.Context) ([]container.Summary, error) {
		return e.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: e.ours(kindContainer, more...)})
	})
}

// readList takes what there is from one list, and looks only at what was known
// and is not there. What the list does not tell is in doubt afterwards, of all
// containers, for they may have changed while nobody saw it.
func (e *Engine) readList(ctx context.Context) ([]container.Summary, error) {
	found, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	e.state.doubtAll()
	for _, c := range found {
		e.sketch(c)
	}
	return found, e.lookAtAll(ctx, e.unlisted(found))
}

func (e *Engine) sketch(c container.Summary) {
	r := e.sketchOf(c)
	switch is, until, ok := e.listedRole(c); {
	case !ok || e.hidden(r):
	case is == current:
		e.state.sketch(r)
	case is == previous:
		r.until = until
		e.state.sketchKept(r)
	}
}

// unlisted gives the ids of the containers that are known and not listed.
func (e *Engine) unlisted(found []container.Summary) (ids []string) {
	for _, r := range e.state.all() {
		if !slices.ContainsFunc(found, func(c container.Summary) bool { return c.ID == r.ID }) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// relist is the safety net for events that were lost: it compares what the
// engine lists with what is known, and looks where they may differ.
func (e *Engine) relist(ctx context.Context) error {
	found, err := e.list(ctx)
	if err != nil {
		return err
	}
	if err := e.lookAtAll(ctx, e.suspects(found)); err != nil {
		return err
	}
	return e.tidy(ctx, found)
}

// suspects gives the ids of the containers that may have changed unseen: those
// that are listed and not known, or known and not listed, those that are listed
// otherwise than they are known, and of the rest some that were not looked at
// for longest, for what no list tells: that memory ran out, say.
func (e *Engine) suspects(found []container.Summary) (ids []string) {
	ids = e.unlisted(found)
	var rest []*record
	for _, c := range found {
		if r, known := e.knownAs(c); known && e.isAsListed(r, c) {
			rest = append(rest, r)
		} else {
			ids = append(ids, c.ID)
		}
	}
	slices.SortFunc(rest, func(a, b *record) int { return a.looked.Compare(b.looked) })
	for _, r := range rest[:(len(rest)+lookRounds-1)/lookRounds] {
		ids = append(ids, r.ID)
	}
	return ids
}

// knownAs gives what is known of a container that is listed, if it is known in
// the role in which it is listed.
func (e *Engine) knownAs(c container.Summary) (*record, bool) {
	know := e.state.get
	is, _, ok := e.listedRole(c)
	if is == previous {
		know = e.state.replaced
	}
	r, known := know(c.Labels[labelName])
	return r, ok && known && r.ID == c.ID && (is == current || is == previous)
}

// isAsListed says whether nothing in the list speaks of a change. A container
// that has begun or ended since the list before, and with it all that this
// changes, is listed with a time in seconds.
func (e *Engine) isAsListed(r *record, c container.Summary) bool {
	if r.State != stateOf(c.State) || strings.Contains(c.Status, "second") {
		return false
	}
	return !r.Running() || r.addr == e.listedAt(c, r.Port) && (r.State == container.StatePaused || r.Health == healthIn(c.Status))
}

// lookAtAll looks at containers, some side by side. It fails when the engine is
// lost.
func (e *Engine) lookAtAll(ctx context.Context, ids []string) error {
	return each(ids, func(id string) error {
		if _, _, err := e.look(ctx, id, syncTimeout); lost(err) {
			return err
		}
		return nil
	})
}

// each does something for every id, some side by side, and gives the first error.
func each(ids []string, do func(id string) error) error {
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for _, id := range ids {
		group.Go(func() error { return do(id) })
	}
	return group.Wait()
}
