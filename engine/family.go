package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockwire/dockwire/client/api"
)

// A container that is to be several has siblings: containers like it that share
// its hosts. A family is the container and they. Their names are the container's
// and a number, its own is number 1.

const firstSibling = 2

func siblingName(of string, number int) string { return of + "-" + strconv.Itoa(number) }

// numberOf gives the number that a sibling of a container has in its name; 1 for
// a name that no sibling of it can have.
func numberOf(name, of string) int {
	digits, _ := strings.CutPrefix(name, of+"-")
	if n, err := strconv.Atoi(digits); err == nil && n >= firstSibling && siblingName(of, n) == name {
		return n
	}
	return 1
}

// siblingOf gives whose sibling a container with these labels is; "" if it is
// nobody's. Its name has to say so too.
func siblingOf(labels map[string]string) string {
	of := labels[labelSibling]
	if of == "" || numberOf(labels[labelName], of) < firstSibling {
		return ""
	}
	return of
}

// siblings gives the siblings of the container called name, by number, whether it
// is there itself or not.
func (s *state) siblings(name string) []*record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.family[name]), func(a, b *record) int {
		return cmp.Compare(numberOf(a.Name, name), numberOf(b.Name, name))
	})
}

// families gives the names of the containers that have siblings.
func (s *state) families() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.family))
}

// join counts a container among the siblings of another, if it is one.
func (s *state) join(r *record) {
	if r.ReplicaOf == "" {
		return
	}
	if s.family[r.ReplicaOf] == nil {
		s.family[r.ReplicaOf] = map[string]*record{}
	}
	s.family[r.ReplicaOf][r.Name] = r
}

func (s *state) part(old *record) {
	delete(s.family[old.ReplicaOf], old.Name)
	if len(s.family[old.ReplicaOf]) == 0 {
		delete(s.family, old.ReplicaOf)
	}
}

// replicas counts a container with siblings and them, and those of all that run. It
// does not know those of a swarm, which are in its record already.
func (s *state) replicas(r *record) (all, serving int) {
	siblings := s.family[r.Name]
	if len(siblings) == 0 {
		return r.Replicas, r.Serving
	}
	if r.Running() {
		serving++
	}
	for _, sibling := range siblings {
		if sibling.Running() {
			serving++
		}
	}
	return 1 + len(siblings), serving
}

// recount tells of the container called name how many it is by now, if that has
// changed.
func (s *state) recount(name string) {
	known, ok := s.byName[name]
	if !ok || known.version == 0 {
		return
	}
	now := *known
	now.Replicas, now.Serving = 0, 0
	now.Replicas, now.Serving = s.replicas(&now)
	if now.Container == known.Container {
		return
	}
	s.place(&now)
	s.publish(&now)
}

// familyTasks gives what inspect tells of the replicas of a container that has
// siblings. They are to run if it does itself.
func (e *Engine) familyTasks(lead *record) (tasks []api.Task) {
	siblings := e.state.siblings(lead.Name)
	if len(siblings) == 0 {
		return nil
	}
	wanted := api.StateExited
	if lead.Running() {
		wanted = api.StateRunning
	}
	for _, r := range append([]*record{lead}, siblings...) {
		task := api.Task{ID: r.ID, Name: r.Name, Replica: numberOf(r.Name, lead.Name), State: r.State, Wanted: wanted,
			Since: r.Finished, ExitCode: r.ExitCode, Commit: r.Commit}
		if r.Running() {
			task.Since = r.Started
		}
		if r.addr.IsValid() {
			task.Address = r.addr.String()
		}
		tasks = append(tasks, task)
	}
	return tasks
}

// What a change takes at most of each container of a family, beside what is waited
// for.
const (
	createTime = 20 * time.Second
	startTime  = 10 * time.Second
)

// changesAtOnce bounds how many containers of a family are changed side by side.
const changesAtOnce = 16

// changeFamily is change for a container and its siblings, which nobody else changes
// meanwhile: the container first, then by number. Each may take so much longer.
func (e *Engine) changeFamily(ctx context.Context, name string, longer time.Duration, do func(ctx context.Context, members []*record) error) error {
	longer *= time.Duration(1 + len(e.state.siblings(name)))
	return e.change(ctx, name, longer, func(ctx context.Context) error {
		lead, err := e.find(ctx, name)
		if err != nil {
			return err
		}
		members := []*record{lead}
		for _, sibling := range e.state.siblings(name) {
			unlock, err := e.mutating.lock(ctx, kindContainer+" "+sibling.Name)
			if err != nil {
				return err
			}
			defer unlock()
			now, err := e.find(ctx, sibling.Name)
			switch {
			case err == nil && now.ReplicaOf == name:
				members = append(members, now)
			case err != nil && classOf(err) != NotFound: // else it is gone
				return err
			}
		}
		return do(ctx, members)
	})
}

// changeMembers is changeFamily that gives how the container is afterwards.
func (e *Engine) changeMembers(ctx context.Context, name string, longer time.Duration, do func(ctx context.Context, members []*record) error) (api.Container, error) {
	if err := e.changeFamily(ctx, name, longer, do); err != nil {
		return api.Container{}, err
	}
	return e.afterChange(name)
}

// afterChange gives a container as it is known after a change of ours.
func (e *Engine) afterChange(name string) (api.Container, error) {
	r, ok := e.state.get(name)
	if !ok {
		return api.Container{}, notFound(kindContainer, name, "%s was removed by somebody else the moment after", name)
	}
	return r.Container, nil
}

// together does something to several containers side by side, and gives the first
// error.
func together(members []*record, do func(*record) error) error {
	var group errgroup.Group
	group.SetLimit(changesAtOnce)
	for _, r := range members {
		group.Go(func() error { return do(r) })
	}
	return group.Wait()
}

// cutOffAll is cutOff for several containers at once.
func (e *Engine) cutOffAll(ctx context.Context, members []*record) (release func()) {
	releases := make([]func(), len(members))
	var draining sync.WaitGroup
	for i, r := range members {
		draining.Go(func() { releases[i] = e.cutOff(ctx, r) })
	}
	draining.Wait()
	return func() {
		for _, release := range releases {
			release()
		}
	}
}
