package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
)

// The rules by which a new replica works. The swarm itself waits for a health
// check; without one, a process that runs is all it asks for. So the first new
// replica has to accept connections before the others follow it.
const (
	getTime    = 2 * time.Minute // for a node to get the image, besides what a trial at one engine takes
	dialTime   = time.Second
	canaryHold = 24 * time.Hour // before the second new replica: until we say so
)

// roll changes a service and replaces its replicas one after another. If the
// first new one does not work, or one fails, the service goes back to how it
// was, and the error says why.
func (s *Swarm) roll(ctx context.Context, m *manager, r *record, tell func(string), change func(*swarm.ServiceSpec) error) error {
	known, err := s.read(ctx, m, []string{r.ID})
	switch {
	case err != nil:
		return m.wrap(err, kindContainer, r.Name, "it is not known how %s is", r.Name)
	case known[r.ID] == nil:
		return notFound(kindContainer, r.Name, "%s was removed meanwhile", r.Name)
	}
	var before swarm.ServiceSpec
	var check *container.HealthConfig // of the new replicas
	err = s.updateService(ctx, m, r, func(spec *swarm.ServiceSpec) error {
		before = *spec
		before.UpdateConfig = rolling(spec.UpdateConfig.Order, 0) // an update that was cut off may have left another
		next := *spec.TaskTemplate.ContainerSpec
		spec.TaskTemplate.ContainerSpec, spec.Labels = &next, maps.Clone(spec.Labels)
		spec.TaskTemplate.ForceUpdate++
		spec.UpdateConfig = rolling(before.UpdateConfig.Order, canaryHold)
		err := change(spec)
		check = next.Healthcheck
		return err
	})
	if err != nil {
		return err
	}
	first := newTrial(known[r.ID], getTime+m.trialTime(check), m.trialTime(nil))
	err = s.await(ctx, m, r.ID, r.Name, first.look)
	if err == nil {
		tell("The first of them serves")
		err = s.updateService(ctx, m, r, func(spec *swarm.ServiceSpec) error {
			spec.UpdateConfig = rolling(before.UpdateConfig.Order, 0)
			return nil
		})
	}
	if err == nil {
		err = s.await(ctx, m, r.ID, r.Name, first.rolled)
	}
	if classOf(err) != StartFailed {
		return err
	}
	return s.rollBack(ctx, m, r, before, first, s.withLines(ctx, m, r, err, first.made))
}

// rolling is how replicas are replaced: one after another, order says whether
// each goes before its successor comes. Where one fails it ends.
func rolling(order string, hold time.Duration) *swarm.UpdateConfig {
	return &swarm.UpdateConfig{Parallelism: 1, Delay: hold, Monitor: monitorTime, FailureAction: swarm.UpdateFailureActionPause, Order: order}
}

// trial watches the first replica that an update has made.
type trial struct {
	old    map[string]bool // tasks that there were before
	run    time.Duration   // it has so long to run, its health check passed
	accept time.Duration   // and then to accept connections
	since  time.Time       // when it came to run, else of the update
	ran    bool
}

func newTrial(before *record, run, accept time.Duration) *trial {
	c := &trial{old: map[string]bool{}, run: run, accept: accept, since: time.Now()}
	for _, t := range before.service.tasks {
		c.old[t.ID] = true
	}
	return c
}

func (c *trial) look(r *record) error {
	first := c.newest(r)
	switch {
	case strings.HasPrefix(r.service.update, "rollback"), r.service.update == string(swarm.UpdateStatePaused):
		return c.failed(r)
	case first == nil:
		return c.late("no new replica was started", c.run)
	case !first.runs():
		return c.late(fmt.Sprintf("its new replica does not become healthy: it is %s after %v", first.State, c.run), c.run)
	}
	if !c.ran {
		c.ran, c.since = true, time.Now()
	}
	if r.Port == 0 || first.accepts() {
		return nil
	}
	return c.late(fmt.Sprintf("its new replica accepts no connection on port %d", r.Port), c.accept)
}

// late is an error once the limit is over.
func (c *trial) late(what string, limit time.Duration) error {
	if time.Since(c.since) < limit {
		return errNotYet
	}
	return &Error{Class: StartFailed, Reason: what}
}

// newest gives the task that was made last, if the update made it.
func (c *trial) newest(r *record) (last *task) {
	for i := range r.service.tasks {
		if t := &r.service.tasks[i]; !c.old[t.ID] && (last == nil || t.created.After(last.created.Time)) {
			last = t
		}
	}
	return last
}

// made says whether the update made a task.
func (c *trial) made(task string) bool { return !c.old[task] }

// accepts says whether the task takes connections.
func (t *task) accepts() bool {
	conn, err := net.DialTimeout("tcp", t.Address, dialTime)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// rolled waits for the swarm to have replaced all replicas.
func (c *trial) rolled(r *record) error {
	switch swarm.UpdateState(r.service.update) {
	case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
		return errNotYet
	case swarm.UpdateStateCompleted:
		return nil
	case "":
		return c.replaced(r)
	}
	return c.failed(r)
}

// replaced is rolled while the swarm says nothing: it has not begun, or finds that
// there is nothing left to replace, as with a single replica. It does not watch
// over those that are new then.
func (c *trial) replaced(r *record) error {
	for _, t := range r.service.tasks {
		switch {
		case c.old[t.ID] && t.wanted():
			return errNotYet
		case !c.old[t.ID] && t.ended():
			return c.failed(r)
		}
	}
	if r.leaving() || r.wanted() != r.Serving || r.Serving != r.Replicas || time.Since(c.since) < monitorTime {
		return errNotYet
	}
	return nil
}

// back watches an update that takes this one back. What is to go, and what has
// gone, is old to it.
func (c *trial) back(r *record) *trial {
	b := &trial{old: map[string]bool{}}
	for _, t := range r.service.tasks {
		b.old[t.ID] = c.made(t.ID) || !t.wanted()
	}
	return b
}

// failed says why the swarm gave an update up.
func (c *trial) failed(r *record) *Error {
	why := r.service.why
	var last *task
	for i := range r.service.tasks {
		if t := &r.service.tasks[i]; !c.old[t.ID] && t.ended() && (last == nil || t.created.After(last.created.Time)) {
			last = t
		}
	}
	switch {
	case last == nil:
	case last.Error != "":
		why = last.Error
	case r.service.checked:
		why = fmt.Sprintf("it was stopped, or ended with exit code %d, before its health check had passed: it may be unhealthy", last.ExitCode)
	default:
		why = fmt.Sprintf("it ended with exit code %d", last.ExitCode)
	}
	return &Error{Class: StartFailed, Reason: "a new replica failed: " + why}
}

// rollBack puts a service back to how it was before an update that did not work,
// and gives the error that says all that.
func (s *Swarm) rollBack(ctx context.Context, m *manager, r *record, before swarm.ServiceSpec, first *trial, failed error) error {
	var said *Error
	errors.As(failed, &said)
	var back *trial
	err := s.await(ctx, m, r.ID, r.Name, func(now *record) error {
		back = first.back(now)
		return nil
	})
	if err == nil {
		err = s.updateService(ctx, m, r, func(spec *swarm.ServiceSpec) error {
			*spec = before
			return nil
		})
	}
	if err == nil {
		err = s.await(ctx, m, r.ID, r.Name, back.rolled)
	}
	told := &Error{Class: StartFailed, Data: api.ErrorData{Kind: kindContainer, Name: r.Name, Lines: said.Data.Lines}, Err: failed,
		Reason: fmt.Sprintf("%s was not changed, and runs as before: %s", r.Name, said.Reason)}
	if err != nil {
		told.Reason = fmt.Sprintf("%s was not changed: %s; and it could not be put back in order: %v", r.Name, said.Reason, err)
	}
	return told
}

// outOfSequence says that somebody has changed a service since it was looked at.
func outOfSequence(err error) bool {
	return err != nil && strings.Contains(err.Error(), "update out of sequence")
}
