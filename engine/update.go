package engine

import (
	"cmp"
	"context"
	"strings"

	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// Update replaces the container called name by one of the image that p gives,
// else of the newest build of its own, with the environment that p gives, else
// its own, and all else as its create was asked. The new one is started beside
// it. Once it serves, it gets the name, and what comes from then on; the old one
// finishes what it answers, and is stopped and kept for Rollback. Siblings are
// replaced likewise: new ones are started one after another, each once the one before
// serves, and take over when all do.
//
// If a new one does not come to serve all new ones are removed, and nothing else has
// changed; the error is StartFailed then. An update that is cut off is undone at
// the next connect, or finished if the new one was about to get the name. tell
// is told how it goes, sentence by sentence, before Update returns.
func (e *Engine) Update(ctx context.Context, name string, p api.UpdateParams, tell func(string)) (api.Container, error) {
	old, err := e.findLead(ctx, name, "update")
	if err != nil {
		return api.Container{}, err
	}
	s, volumes, err := e.updated(ctx, old, p)
	if err != nil {
		return api.Container{}, err
	}
	return e.exchange(ctx, old, s.image.healthcheck, tell, func(ctx context.Context, r *record, tell func(string)) (string, error) {
		return e.makeCandidate(ctx, e.replacing(s, r), volumes, tell)
	})
}

// Rollback puts the container back that the last update of name replaced, in the
// way of an update. The one that it replaces is kept: another Rollback goes
// forward again. Siblings are replaced by new ones of what the previous one was.
func (e *Engine) Rollback(ctx context.Context, name string, tell func(string)) (api.Container, error) {
	old, err := e.findLead(ctx, name, "roll back")
	if err != nil {
		return api.Container{}, err
	}
	kept, ok, err := e.kept(ctx, name)
	switch {
	case err != nil:
		return api.Container{}, err
	case !ok:
		return api.Container{}, notFound(kindPrevious, name, "%s has no previous container to go back to: it was not updated", name)
	}
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) {
		return e.cli.ContainerInspect(ctx, kept.ID)
	})
	if err != nil {
		return api.Container{}, e.wrap(err, kindPrevious, name, "the previous container of %s cannot be inspected", name)
	}
	return e.exchange(ctx, old, c.Config.Healthcheck, tell, func(ctx context.Context, r *record, tell func(string)) (string, error) {
		if r.ReplicaOf != "" {
			return e.makeLike(ctx, kept, r, tell)
		}
		tell("Starting the previous container again, of the image " + describeImage(kept.Image, kept.Commit))
		return kept.ID, e.restore(ctx, kept)
	})
}

// NewestImage gives the image that an update of the container called name takes
// when it is given none: the newest build of its own.
func (e *Engine) NewestImage(name string) (image string, known bool) {
	r, ok := e.state.get(name)
	if !ok {
		return "", false
	}
	return newestImage(r), true
}

// newestImage takes the commit from the name of an image that was built here.
func newestImage(r *record) string {
	if r.Commit == "" {
		return r.Image
	}
	name, _, _ := strings.Cut(r.Image, ":")
	return name
}

// updated says how the container will be made that replaces another.
func (e *Engine) updated(ctx context.Context, old *record, p api.UpdateParams) (spec, []volume, error) {
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) {
		return e.cli.ContainerInspect(ctx, old.ID)
	})
	if err != nil {
		return spec{}, nil, e.wrap(err, kindContainer, old.Name, "%s cannot be inspected", old.Name)
	}
	next, known := askedOf(c)
	if !known {
		return spec{}, nil, unknownCreate(old.Name)
	}
	next.Image, next.Start = cmp.Or(p.Image, newestImage(old)), nil
	if p.Environment != nil {
		next.Environment = p.Environment
	}
	return e.specOf(ctx, next, c.Config.Labels[labelOwner])
}

func unknownCreate(name string) error {
	return conflict(kindContainer, name, "", "%s was created by a dockwire that did not keep how: remove and create it once more, then it can be changed", name)
}

// exchange has next start a container for old and each of its siblings, and gives
// them the names once all of them serve. What is undone, or finished, when that fails
// is what a connect would undo or finish.
func (e *Engine) exchange(ctx context.Context, old *record, check *container.HealthConfig, tell func(string), next starter) (api.Container, error) {
	longer := e.trialTime(check) + workerTrial + e.cfg.Drain + defaultStop
	return e.changeMembers(ctx, old.Name, longer, func(ctx context.Context, members []*record) error {
		if err := e.isStill(ctx, old); err != nil {
			return err
		}
		ids, err := e.startAnew(ctx, members, next, tell)
		if err == nil {
			err = e.succeed(ctx, old.Name, old.ID, ids[0])
		}
		return e.concludeAll(ctx, members, ids, tell, err)
	})
}

// isStill sees that a container is as it was looked at, now that its name is
// locked and at rest.
func (e *Engine) isStill(ctx context.Context, old *record) error {
	if err := e.settle(ctx, old.Name, e.tellLog(old.Name)); err != nil {
		return err
	}
	if now, err := e.find(ctx, old.Name); err != nil || now.ID != old.ID {
		return cmp.Or(err, error(conflict(kindContainer, old.Name, "", "%s was changed meanwhile: try again", old.Name)))
	}
	return nil
}

// makeCandidate makes the container that is to replace another, and starts it.
func (e *Engine) makeCandidate(ctx context.Context, s spec, volumes []volume, tell func(string)) (id string, err error) {
	tell("Starting a new container of the image " + describeImage(s.Image, s.image.labels[labelCommit]))
	var undo undoing
	defer func() {
		if err != nil {
			undo.run(ctx, e.log)
		}
	}()
	if id, err = e.makeContainer(ctx, s, volumes, &undo); err != nil {
		return "", err
	}
	if err = e.checkUser(ctx, id, s); err != nil {
		return "", err
	}
	return id, e.start(ctx, id, s.Name)
}

// restore starts the container that was replaced.
func (e *Engine) restore(ctx context.Context, kept *record) error {
	if err := e.rename(ctx, kept.ID, kept.Name, returning, kept.until); err != nil {
		return err
	}
	return e.start(ctx, kept.ID, kept.Name)
}

// succeed makes the container that has the name the previous one: from here on
// the exchange is finished by settle, whoever calls it. The one that was the
// previous is there until then.
func (e *Engine) succeed(ctx context.Context, name, old, id string) error {
	g, err := e.generationsOf(ctx, name)
	if err != nil {
		return err
	}
	until, err := e.beganAt(ctx, id, name)
	if err != nil {
		return err
	}
	if before, ok := g[previous]; ok {
		if err := e.rename(ctx, before.id, name, older, before.until); err != nil {
			return err
		}
	}
	return e.rename(ctx, old, name, previous, until)
}

// beganAt gives a time, by the engine's clock, that all the lines come after
// which a container has written since it was started, and none before.
func (e *Engine) beganAt(ctx context.Context, id, name string) (int64, error) {
	c, err := e.cli.ContainerInspect(ctx, id)
	if err != nil {
		return 0, e.wrapMutation(err, kindContainer, name, "it is not known how the new container of %s is", name)
	}
	started, finished := timeOf(c.State.StartedAt), timeOf(c.State.FinishedAt)
	if finished.IsZero() {
		return timeOf(c.Created).UnixNano(), nil
	}
	return finished.Add(started.Sub(finished.Time) / 2).UnixNano(), nil
}

// conclude brings the name to rest. That the container with this id has the name is
// a success, whatever else there is to do.
func (e *Engine) conclude(ctx context.Context, name, id string, tell func(string), failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout+e.cfg.Drain)
	defer cancel()
	unsettled := e.settle(ctx, name, tell)
	r, known := e.state.get(name)
	switch {
	case known && r.ID == id && unsettled != nil:
		e.log.Warn("an update is done, and left something to do", zap.String("name", name), zap.Error(unsettled))
		fallthrough
	case known && r.ID == id:
		return nil
	}
	return cmp.Or(failed, unsettled)
}

func describeImage(image, commit string) string {
	if commit == "" {
		return image
	}
	return image + " (commit " + commit[:min(len(commit), 12)] + ")"
}

// tellLog tells the log what is done about a change that was cut off.
func (e *Engine) tellLog(name string) func(string) {
	return func(text string) {
		e.log.Info("a change that was cut off is settled", zap.String("name", name), zap.String("step", text))
	}
}
