package engine

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/dockwire/dockwire/client/api"
)

// addGeneration sorts a container of the engine's list in. Those that we did not
// title are nobody's.
func (e *Engine) addGeneration(g generations, c container.Summary) {
	if r, until, ok := e.listedRole(c); ok {
		running := c.State == api.StateRunning || c.State == api.StateRestarting || c.State == api.StatePaused
		g[r] = generation{c.ID, until, running, neverStarted(c.State, c.Labels), siblingOf(c.Labels), c.Labels[labelEdition]}
	}
}

// generationsOf asks the engine for the containers of a name.
func (e *Engine) generationsOf(ctx context.Context, name string) (generations, error) {
	found, err := e.list(ctx, filters.Arg("label", labelName+"="+name))
	if err != nil {
		return nil, e.wrapMutation(err, kindContainer, name, "it is not known what there is of %s", name)
	}
	g := generations{}
	for _, c := range found {
		e.addGeneration(g, c)
	}
	return g, nil
}

// settleAll brings to rest what creates, updates, rollbacks and removes left that
// were cut off, because the daemon was killed or the engine went away. Names that
// somebody is at are left to them. Siblings come after what they are siblings of, as
// it is by then. What is found is what the engine lists of us.
func (e *Engine) settleAll(ctx context.Context, found []container.Summary) error {
	byName := map[string]generations{}
	for _, c := range found {
		name := c.Labels[labelName]
		if byName[name] == nil {
			byName[name] = generations{}
		}
		e.addGeneration(byName[name], c)
	}
	if err := e.settleThose(ctx, byName, func(g generations) bool { return !g.ofSibling() }); err != nil {
		return err
	}
	if err := e.removeOrphanSiblings(ctx); err != nil {
		return err
	}
	return e.settleThose(ctx, byName, generations.ofSibling)
}

func (e *Engine) settleThose(ctx context.Context, byName map[string]generations, wanted func(generations) bool) error {
	for name, g := range byName {
		if !wanted(g) || len(g.plan()) == 0 {
			continue
		}
		if err := e.settleUnlessBusy(ctx, name); lost(err) {
			return err
		}
	}
	return nil
}

func (e *Engine) settleUnlessBusy(ctx context.Context, name string) error {
	unlock, ok := e.mutating.tryLock(kindContainer + " " + name)
	if !ok {
		return nil
	}
	defer unlock()
	return e.settle(ctx, name, e.tellLog(name))
}

// settle brings the containers of a name to rest. The caller has the name's
// lock. Whatever it is cut off by, the next settle goes on.
func (e *Engine) settle(ctx context.Context, name string, tell func(string)) error {
	g, err := e.generationsOf(ctx, name)
	if err == nil && g.has(current) && g.has(candidate) && g.ofSibling() {
		g, err = e.followLead(ctx, name, g)
	}
	if err != nil {
		return err
	}
	for _, s := range g.plan() {
		if err := e.take(ctx, name, g, s, tell); err != nil {
			return err
		}
		g.apply(s)
	}
	return nil
}

// called is what those who are told of a change call a container.
var called = map[role]string{current: "current", candidate: "new", previous: "previous", returning: "previous", older: "oldest"}

// take does a step.
func (e *Engine) take(ctx context.Context, name string, g generations, s step, tell func(string)) error {
	one := g[s.of]
	switch {
	case s.do == remove:
		tell("Removing the " + called[s.of] + " container")
		return e.removeContainer(ctx, one.id, name)
	case s.do == stop:
		tell("Stopping the " + called[s.of] + " container, once what it answers is answered")
		return e.retire(ctx, one.id, name)
	case s.to == current:
		tell("Giving the name to the " + called[s.of] + " container")
		return e.promote(ctx, name, one.id, g[previous].id)
	}
	return e.rename(ctx, one.id, name, s.to, one.until)
}

// rename makes a container something else to its name.
func (e *Engine) rename(ctx context.Context, id, name string, to role, until int64) error {
	err := e.cli.ContainerRename(ctx, id, e.title(to, name, until))
	if err == nil && to == previous {
		e.look(ctx, id, syncTimeout) // that it is kept; it does not have the name any more, which is no error here
	}
	return e.wrapMutation(err, kindContainer, name, "a container of %s could not be renamed", name)
}

// promote gives a container its name. The one before it, if there is one, is
// known as kept by then: it is not gone.
func (e *Engine) promote(ctx context.Context, name, id, before string) error {
	if err := e.restartAsAsked(ctx, id, name); err != nil {
		return err
	}
	if err := e.giveName(ctx, id, name); err != nil {
		return err
	}
	if before != "" {
		e.look(ctx, before, syncTimeout)
	}
	_, err := e.admit(ctx, id)
	return e.wrapMutation(err, kindContainer, name, "it is not known how %s is", name)
}

// retire stops a container that is not the current one, or not any more. It gets
// the time to finish what it answers, and is not started by the engine again.
func (e *Engine) retire(ctx context.Context, id, name string) error {
	defer e.cutOff(ctx, &record{Container: api.Container{Name: name, ID: id}})()
	err := e.cli.ContainerStop(ctx, id, stopOptions(defaultStop))
	if err == nil {
		err = e.setRestart(ctx, id, "no")
	}
	e.look(ctx, id, syncTimeout) // that it has ended
	return e.wrapMutation(err, kindContainer, name, "a container of %s could not be stopped", name)
}

// restartAsAsked has the engine start a container again when its create asked
// for that. Only a current one is.
func (e *Engine) restartAsAsked(ctx context.Context, id, name string) error {
	c, err := e.cli.ContainerInspect(ctx, id)
	if err == nil {
		if p, known := askedOf(c); known {
			err = e.setRestart(ctx, id, withDefaults(p).Restart)
		}
	}
	return e.wrapMutation(err, kindContainer, name, "how %s is restarted could not be set", name)
}

func (e *Engine) setRestart(ctx context.Context, id, policy string) error {
	_, err := e.cli.ContainerUpdate(ctx, id, container.UpdateConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(policy)},
	})
	return err
}
