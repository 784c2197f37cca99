package engine

import (
	"cmp"
	"context"
)

// starter starts the container that is to replace one of a family, and gives its id.
type starter func(ctx context.Context, r *record, tell func(string)) (id string, err error)

// startAnew starts what is to replace the members of a family, one after another,
// and tries each. Of those that were not made the id is empty.
func (e *Engine) startAnew(ctx context.Context, members []*record, next starter, tell func(string)) (ids []string, err error) {
	ids = make([]string, len(members))
	for i, r := range members {
		tell := tellOf(r, tell)
		if ids[i], err = next(ctx, r, tell); err == nil {
			err = e.try(ctx, ids[i], r.Name, "%s is as it was, because the container that was to replace it %s: see its last lines", tell)
		}
		if err != nil {
			return ids, aboutFamily(err, r.ReplicaOf, "%s and its replicas are as they were", r.ReplicaOf)
		}
	}
	return ids, nil
}

// tellOf tells which sibling it is about.
func tellOf(r *record, tell func(string)) func(string) {
	if r.ReplicaOf == "" {
		return tell
	}
	return func(text string) { tell(r.Name + ": " + text) }
}

// concludeAll brings a family to rest. What becomes of the siblings is decided by
// what has become of the first: if that is not known, they are left to the next
// connect.
func (e *Engine) concludeAll(ctx context.Context, members []*record, ids []string, tell func(string), failed error) (err error) {
	for i, r := range members {
		concluded := e.conclude(ctx, r.Name, ids[i], tellOf(r, tell), failed)
		if i == 0 {
			failed = concluded
		}
		err = cmp.Or(err, concluded)
	}
	return err
}

// makeLike makes the container that is to replace a sibling, as one like another.
func (e *Engine) makeLike(ctx context.Context, like, sibling *record, tell func(string)) (id string, err error) {
	s, volumes, err := e.specLike(ctx, like)
	if err != nil {
		return "", err
	}
	return e.makeCandidate(ctx, e.replacing(s, sibling), volumes, tell)
}

// replacing says how the container is made that is to replace one of a family, of
// which s describes the first.
func (e *Engine) replacing(s spec, r *record) spec {
	if r.ReplicaOf != "" {
		s = e.siblingSpec(s, r.Name)
	}
	s.replaces, s.Restart = true, "no" // until it has the name
	return s
}
