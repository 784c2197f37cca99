package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// How the live state of a swarm is kept. Its tasks have no events, so that they
// are looked at again and again: all of them, and more often those of services
// in which something is on its way. A look is not repeated before so many times
// as long as it took, which bounds what it costs the manager.
const (
	lookEvery    = time.Second
	settleEvery  = 250 * time.Millisecond
	lookSpacing  = 20
	slowSwarm    = 30 * time.Second // for an answer about everything
	managerPause = 100 * time.Millisecond
)

// follow keeps the state, over whatever manager can be used, until ctx ends.
func (s *Swarm) follow(ctx context.Context) {
	for told := ""; ctx.Err() == nil; {
		m, err := s.manager()
		if err == nil {
			err = s.watch(ctx, m)
			m.failed.Store(time.Now().UnixNano())
			m.askRole(ctx)
			if s.Up() {
				told = "" // it was used
			}
		}
		s.state.setUp(false)
		if why := fmt.Sprint(err); ctx.Err() == nil && why != told {
			s.log.Warn("no manager of the swarm can be used", zap.Error(err))
			told = why
		}
		pause(ctx, managerPause)
	}
}

// watch keeps the state by one manager, until that cannot be used any more.
func (s *Swarm) watch(ctx context.Context, m *manager) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.session.Store(&session{ctx, m})
	defer s.session.Store(nil)
	w := &watch{Swarm: s, manager: m, hinted: map[string]bool{}}
	w.messages, w.errs = m.cli.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ServiceEventType)), filters.Arg("type", string(events.NodeEventType)))})
	if err := w.whole.look(lookEvery, func() error { return s.look(ctx, m, nil, false) }); err != nil {
		return err
	}
	s.tidyLogs()
	s.tidying.Go(func() { s.tidy(ctx, m) })
	s.state.setUp(true)
	s.log.Info("a manager of the swarm answers", zap.String("host", m.Host()), zap.String("api", m.cli.ClientVersion()))
	for {
		if err := w.turn(ctx); err != nil {
			return err
		}
	}
}

// watch is the use of one manager.
type watch struct {
	*Swarm
	manager       *manager
	messages      <-chan events.Message
	errs          <-chan error
	whole, moving pacer
	hinted        map[string]bool // services that an event was about
}

// turn waits for something to do, and does it.
func (w *watch) turn(ctx context.Context) error {
	changed := w.manager.state.next()
	if err := w.manager.usable(); err != nil {
		return err
	}
	select {
	case <-changed:
	case err := <-w.errs:
		return err
	case message := <-w.messages:
		if message.Type == events.NodeEventType { // which tasks that moves is not told
			w.whole.next = time.Now()
			return nil
		}
		w.hinted[message.Actor.ID] = true
		w.moving.hurry()
	case <-w.whole.due():
		return w.whole.look(lookEvery, func() error { return w.look(ctx, w.manager, nil, false) })
	case <-w.moving.due():
		return w.moving.look(settleEvery, func() error { return w.lookAtMoving(ctx) })
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (w *watch) lookAtMoving(ctx context.Context) error {
	for _, id := range w.unsettled() {
		w.hinted[id] = true
	}
	ids := slices.Collect(maps.Keys(w.hinted))
	clear(w.hinted)
	if len(ids) == 0 {
		return nil
	}
	return w.look(ctx, w.manager, ids, false)
}

// pacer says when to look again.
type pacer struct{ next, soonest time.Time }

func (p *pacer) look(every time.Duration, look func() error) error {
	began := time.Now()
	err := look()
	ended := time.Now()
	p.soonest = ended.Add(lookSpacing * ended.Sub(began))
	p.next = ended.Add(every)
	if p.next.Before(p.soonest) {
		p.next = p.soonest
	}
	return err
}

// hurry has the next look come as soon as it may.
func (p *pacer) hurry() { p.next = p.soonest }

func (p *pacer) due() <-chan time.Time { return time.After(time.Until(p.next)) }

// unsettled gives the ids of the services in which something is on its way.
func (s *Swarm) unsettled() (ids []string) {
	for _, r := range s.state.list() {
		if !r.settled() {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// look looks at the services with these ids, or at all, and puts into the state
// how they are; those that are gone are forgotten. Those that are still being
// created are left out, unless they are to be admitted.
func (s *Swarm) look(ctx context.Context, m *manager, ids []string, admit bool) error {
	unlock, err := s.looking.lock(ctx, "")
	if err != nil {
		return err
	}
	defer unlock()
	_, err = within(ctx, slowSwarm, func(ctx context.Context) (struct{}, error) {
		records, err := s.read(ctx, m, ids)
		if err != nil {
			return struct{}{}, err
		}
		s.together(func() { s.put(records, ids, admit) })
		return struct{}{}, nil
	})
	return err
}

// read asks for services with these ids, or for all, and for their tasks.
func (s *Swarm) read(ctx context.Context, m *manager, ids []string) (map[string]*record, error) {
	nodes, err := s.readNodes(ctx, m)
	if err != nil {
		return nil, err
	}
	wanted, wantedTasks := m.ours(kindContainer), filters.NewArgs()
	for _, id := range ids {
		wanted.Add("id", id)
	}
	var services []*serviceData
	tasks := map[string][]task{}
	err = list(ctx, m, "/services", wanted, func(d serviceData) {
		if m.owns(d.Spec.Labels, kindContainer) {
			services = append(services, &d)
			tasks[d.ID] = nil
			if ids != nil {
				wantedTasks.Add("service", d.ID)
			}
		}
	})
	if err == nil && len(services) > 0 {
		err = list(ctx, m, "/tasks", wantedTasks, func(d taskData) {
			if _, ours := tasks[d.ServiceID]; ours {
				tasks[d.ServiceID] = append(tasks[d.ServiceID], taskOf(&d, nodes))
			}
		})
		if gone(err) { // one was removed between the two questions
			return s.read(ctx, m, ids)
		}
	}
	records := map[string]*record{}
	for _, d := range services {
		records[d.ID] = s.recordOfService(d, tasks[d.ID])
	}
	return records, err
}

func (s *Swarm) readNodes(ctx context.Context, m *manager) (map[string]*node, error) {
	found, err := m.cli.NodeList(ctx, swarm.NodeListOptions{})
	nodes := map[string]*node{}
	for _, n := range found {
		nodes[n.ID] = nodeOf(n)
	}
	return nodes, err
}

// together tells the Router at once of all that change puts into the state.
func (s *Swarm) together(change func()) {
	if s.cfg.Router == nil {
		change()
		return
	}
	s.cfg.Router.Together(change)
}

// put stores what was read of the services with these ids, or of all.
func (s *Swarm) put(records map[string]*record, ids []string, admit bool) {
	for _, r := range records {
		if admit || !s.hidden(r) {
			s.state.put(r)
			s.keepLog(r)
		}
	}
	for _, r := range s.state.list() {
		if records[r.ID] == nil && (ids == nil || slices.Contains(ids, r.ID)) {
			s.forget(r)
		}
	}
}

func (s *Swarm) forget(r *record) {
	s.state.drop(r.Name, r.ID)
	s.endLog(r)
}

// hidden says whether a service is still being created.
func (s *Swarm) hidden(r *record) bool {
	known, ok := s.state.get(r.Name)
	return s.hosts.taken(r.host) && !(ok && known.ID == r.ID)
}

// errNotYet says that what is waited for has not come yet.
var errNotYet = errors.New("not yet")

// leaderTime is how long the managers may be without a leader while we wait for
// something, or change it.
const leaderTime = 30 * time.Second

// await reads a service until done says that what is waited for has come, or
// gives another error than errNotYet. Nothing of it is put into the state.
func (s *Swarm) await(ctx context.Context, m *manager, id, name string, done func(*record) error) error {
	for read := time.Now(); ; {
		found, err := s.read(ctx, m, []string{id})
		switch {
		case m.hasNoLeader(err) && time.Since(read) < leaderTime:
			pause(ctx, settleEvery)
			continue
		case err != nil:
			return m.wrapMutation(err, kindContainer, name, "it is not known how far the swarm is with %s", name)
		case found[id] == nil:
			return notFound(kindContainer, name, "%s was removed meanwhile", name)
		}
		read = time.Now()
		if err := done(found[id]); !errors.Is(err, errNotYet) {
			return err
		}
		pause(ctx, settleEvery)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// admit looks at a service after a change of ours: how it is by now is in the
// state when it returns.
func (s *Swarm) admit(ctx context.Context, m *manager, id, name string) (c api.Container, err error) {
	if err := s.look(ctx, m, []string{id}, true); err != nil {
		return c, m.wrapMutation(err, kindContainer, name, "it is not known how %s is", name)
	}
	if c, known := s.Container(name); known && c.ID == id {
		return c, nil
	}
	return c, notFound(kindContainer, name, "%s was removed meanwhile", name)
}
