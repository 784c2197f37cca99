package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// mostReplicasHere is how many a container may be on one engine.
const mostReplicasHere = 100

// Scale makes the container called name be so many, itself and its siblings, of
// which those with the highest numbers go first and answer to the end what they have
// begun. All of them run afterwards. With 0 they are stopped, and start as many as
// they were. Of the siblings that are to be made all are, or none.
func (e *Engine) Scale(ctx context.Context, name string, replicas int) (api.Container, error) {
	if err := checkReplicasHere(replicas); err != nil {
		return api.Container{}, err
	}
	if _, err := e.findLead(ctx, name, "scale"); err != nil {
		return api.Container{}, err
	}
	if replicas == 0 {
		return e.Stop(ctx, name, nil)
	}
	longer := createTime*time.Duration(replicas) + defaultStop + e.cfg.Drain
	return e.changeMembers(ctx, name, longer, func(ctx context.Context, members []*record) error {
		stay := min(replicas, len(members))
		for _, r := range slices.Backward(members[stay:]) {
			if err := e.removeDrained(ctx, r); err != nil {
				return err
			}
		}
		if err := e.startAll(ctx, members[:stay]); err != nil {
			return err
		}
		return e.addSiblings(ctx, members[0], replicas-stay)
	})
}

func checkReplicasHere(replicas int) error {
	if replicas < 0 || replicas > mostReplicasHere {
		return invalid("replicas", "replicas %d is not allowed: give 1 to %d on a single engine; a swarm runs more", replicas, mostReplicasHere)
	}
	return nil
}

// findLead is find for what is done to all of a family: a sibling is refused.
func (e *Engine) findLead(ctx context.Context, name, verb string) (*record, error) {
	r, err := e.find(ctx, name)
	if err == nil && r.ReplicaOf != "" {
		return nil, conflict(kindContainer, name, r.ReplicaOf, "%s is a replica of %s: %s that one", name, r.ReplicaOf, verb)
	}
	return r, err
}

// addSiblings makes n more siblings of a container, as it is itself.
func (e *Engine) addSiblings(ctx context.Context, lead *record, n int) error {
	if n == 0 {
		return nil
	}
	s, volumes, err := e.specLike(ctx, lead)
	if err != nil {
		return err
	}
	siblings, release, err := e.reserveSiblings(ctx, s, n)
	if err != nil {
		return err
	}
	defer release()
	return aboutFamily(e.makeAll(ctx, siblings, volumes), lead.Name, "no replica was added to %s", lead.Name)
}

// specLike says how one more is made of what a container is: of the very image, and
// with the environment that it has.
func (e *Engine) specLike(ctx context.Context, r *record) (spec, []volume, error) {
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) {
		return e.cli.ContainerInspect(ctx, r.ID)
	})
	if err != nil {
		return spec{}, nil, e.wrap(err, kindContainer, r.Name, "%s cannot be inspected", r.Name)
	}
	p, known := askedOf(c)
	if !known {
		return spec{}, nil, unknownCreate(r.Name)
	}
	p.Start = nil
	s, volumes, err := e.specFrom(ctx, p, r.owner, func(ctx context.Context) (facts, error) { return e.sourceOf(ctx, r) })
	s.edition = r.edition
	return s, volumes, err
}

// siblingSpec says how the sibling of this name is made of the container that s
// describes.
func (e *Engine) siblingSpec(s spec, name string) spec {
	s.of, s.Name, s.asked.Name = s.Name, name, name
	s.labels = e.containerLabels(s, s.owner())
	return s
}

// reserveSiblings takes names for n siblings of the container that s describes,
// until release. Numbers whose name somebody has are left out.
func (e *Engine) reserveSiblings(ctx context.Context, s spec, n int) (siblings []spec, release func(), err error) {
	var held []func()
	release = func() {
		for _, free := range slices.Backward(held) {
			free()
		}
	}
	for number := firstSibling; len(siblings) < n; number++ {
		sibling := e.siblingSpec(s, siblingName(s.Name, number))
		free, err := e.reserveSibling(ctx, sibling)
		switch {
		case isTaken(err, sibling.Name):
			continue
		case err != nil:
			release()
			return nil, nil, err
		}
		held, siblings = append(held, free), append(siblings, sibling)
	}
	return siblings, release, nil
}

func (e *Engine) reserveSibling(ctx context.Context, s spec) (release func(), err error) {
	if checkName("name", s.Name) != nil {
		return nil, invalid("replicas", "%s cannot have so many replicas: one would be called %s, and a name has 63 characters at most", s.of, s.Name)
	}
	unlock, err := e.claim(s.Name)
	if err != nil {
		return nil, err
	}
	var free func()
	if err = e.settle(ctx, s.Name, e.tellLog(s.Name)); err == nil {
		free, err = e.reserve(ctx, s)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return func() { free(); unlock() }, nil
}

// followLead has the new container of a sibling take its place, if what it is a
// sibling of was replaced by one of the same edition: all of a family are replaced, or
// none. It gives what there is of the name then.
func (e *Engine) followLead(ctx context.Context, name string, g generations) (generations, error) {
	next := g[candidate]
	lead, err := e.generationsOf(ctx, next.of)
	switch {
	case err != nil:
		return nil, err
	case !lead.has(current):
		return nil, conflict(kindContainer, next.of, "", "%s is not at rest, and so %s is not: try again", next.of, name)
	case next.halfMade || next.edition != lead[current].edition:
		return g, nil
	}
	if err := e.succeed(ctx, name, g[current].id, next.id); err != nil {
		return nil, err
	}
	return e.generationsOf(ctx, name)
}

// claim takes the lock of a name, which nobody has to be waited for.
func (e *Engine) claim(name string) (unlock func(), err error) {
	unlock, ok := e.mutating.tryLock(kindContainer + " " + name)
	if !ok {
		return nil, conflict(kindContainer, name, "", "%s is being changed: try again", name)
	}
	return unlock, nil
}

func isTaken(err error, name string) bool {
	var known *Error
	return errors.As(err, &known) && known.Class == Conflict && known.Data.Kind == kindContainer && known.Data.Name == name
}

// removeDrained removes a sibling, which has the time to end by itself if it can be
// told to.
func (e *Engine) removeDrained(ctx context.Context, r *record) error {
	defer e.cutOff(ctx, r)()
	if err := e.cli.ContainerStop(ctx, r.ID, stopOptions(defaultStop)); lost(err) {
		return e.wrapMutation(err, kindContainer, r.Name, "%s could not be stopped", r.Name)
	}
	return e.remove(ctx, r, false)
}

// makeAll makes containers, all of them or none, and has them known, the last one
// first.
func (e *Engine) makeAll(ctx context.Context, specs []spec, volumes []volume) (err error) {
	var undo undoing
	defer func() {
		if err != nil && !errors.Is(context.Cause(ctx), errSilent) { // else it is done at the next connect
			undo.run(ctx, e.log)
		}
	}()
	ids := make([]string, len(specs))
	for i, s := range specs {
		if ids[i], err = e.makeWhole(ctx, s, volumes, &undo); err != nil {
			return err
		}
	}
	for i, id := range slices.Backward(ids) {
		if _, err := e.admit(ctx, id); err != nil {
			return e.wrapMutation(err, kindContainer, specs[i].Name, "it is not known how %s is", specs[i].Name)
		}
	}
	return nil
}

// aboutFamily says of a change of a family that failed for a sibling what it means
// for the container that the change was asked for.
func aboutFamily(err error, name, format string, args ...any) error {
	var known *Error
	if !errors.As(err, &known) || numberOf(known.Data.Name, name) < firstSibling {
		return err
	}
	whole := *known
	whole.Reason = fmt.Sprintf(format, args...) + ": " + known.Reason
	whole.Data.Name = name
	return &whole
}
