package engine

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
)

// service is what of a record only a swarm has.
type service struct {
	version    uint64 // of the swarm's own, for updates
	update     string // the state of the last update, "" if there was none
	why        string // what the swarm says of that
	held       bool   // an update has begun, and waits for its first replica to be tried
	checked    bool   // the image has a HEALTHCHECK: a replica runs once it has passed
	remembered int    // replicas that it has when it is started
	tasks      []task // by replica, the newest first
}

// task is one run of a replica.
type task struct {
	api.Task
	node      *node // nil before one was chosen
	created   api.Time
	container string // its id; "" before there is one
	addr      netip.AddrPort
}

// node is an engine of the swarm.
type node struct{ api.Node }

// down says that the swarm has given the node up, and places replicas elsewhere.
func (n *node) down() bool { return n.State == string(swarm.NodeStateDown) }

// The states of a task that need a name here. In between are those on its way.
const (
	taskRunning  = string(swarm.TaskStateRunning)
	taskStarting = string(swarm.TaskStateStarting)
	taskFailed   = string(swarm.TaskStateFailed)
	taskRejected = string(swarm.TaskStateRejected)
)

// runs says that the task runs, and is to.
func (t *task) runs() bool { return t.State == taskRunning && t.Wanted == taskRunning }

// ended says that the task has come to its end.
func (t *task) ended() bool {
	switch swarm.TaskState(t.State) {
	case swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateOrphaned:
		return true
	}
	return false
}

// wanted says that the task is to run, whether or not it does.
func (t *task) wanted() bool {
	return !t.ended() && (t.Wanted == taskRunning || t.Wanted == string(swarm.TaskStateReady))
}

// wanted gives how many tasks are to run.
func (r *record) wanted() (n int) {
	for _, t := range r.service.tasks {
		if t.wanted() {
			n++
		}
	}
	return n
}

// leaving says whether a task is being stopped. Of those on nodes that are down
// nobody hears, though they had not even begun.
func (r *record) leaving() bool {
	return slices.ContainsFunc(r.service.tasks, func(t task) bool { return !t.wanted() && !t.ended() && !t.onDeadNode() })
}

// onDeadNode says that the task is on a node that the swarm has given up.
func (t *task) onDeadNode() bool { return t.node != nil && t.node.down() }

// settled says whether nothing is on its way: so many run as are to, or have
// ended for good, and nothing that is to end has not ended, but on nodes that are
// down.
func (r *record) settled() bool {
	if r.updating() || r.leaving() || r.wanted() != r.Serving {
		return false
	}
	return r.Serving == r.Replicas || r.Serving == 0 && len(r.service.tasks) > 0
}

// over says whether all replicas have ended, and none comes in their place.
func (r *record) over() bool { return r.settled() && r.Serving == 0 }

// updating says whether the swarm replaces replicas.
func (r *record) updating() bool {
	switch swarm.UpdateState(r.service.update) {
	case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
		return true
	}
	return false
}

// recordOfService reads what there is to know of a service of ours. Its tasks
// are in any order.
func (s *Swarm) recordOfService(d *serviceData, tasks []task) *record {
	labels := d.Spec.Labels
	name := labels[labelName]
	port, _ := strconv.Atoi(labels[labelPort])
	remembered, _ := strconv.Atoi(labels[labelReplicas])
	slices.SortFunc(tasks, func(a, b task) int {
		return cmp.Or(cmp.Compare(a.Replica, b.Replica), b.created.Compare(a.created.Time), strings.Compare(a.ID, b.ID))
	})
	m := s.managers[0]
	r := &record{
		host: m.hostOf(name), owner: labels[labelOwner], imageID: labels[labelImageID], network: labels[labelNetwork],
		around: new(surroundings),
		service: &service{
			version: d.Version.Index, update: d.UpdateStatus.State, why: d.UpdateStatus.Message,
			held: d.Spec.UpdateConfig.Delay == canaryHold, checked: d.Spec.TaskTemplate.ContainerSpec.Healthcheck != nil, remembered: remembered, tasks: tasks,
		},
		Container: api.Container{
			Name: name, ID: d.ID, Image: labels[labelImage], Commit: labels[labelCommit],
			Created: api.Time{Time: d.CreatedAt.UTC()}, Domain: m.domainOf(name, labels[labelDomain]), Port: port,
		},
	}
	if d.Spec.Mode.Replicated.Replicas != nil {
		r.Replicas = int(*d.Spec.Mode.Replicated.Replicas)
	}
	if port != 0 {
		r.URL = m.urlOf(r.Domain)
	}
	r.sum()
	if at := timeOf(labels[labelStopped]); !at.IsZero() && r.State != api.StateRunning {
		r.State, r.Finished = api.StateExited, at
	}
	return r
}

// sum says how the service is by how its tasks are.
func (r *record) sum() {
	var last *task // that ended
	tried := false
	for i := range r.service.tasks {
		t := &r.service.tasks[i]
		switch {
		case t.runs():
			r.Serving++
			if r.Started.IsZero() || t.Since.Before(r.Started.Time) {
				r.Started = t.Since
			}
		case t.wanted():
			tried = true
		case t.Orphan:
			r.Orphans++
		case t.ended():
			if last == nil || t.Since.After(last.Since.Time) {
				last = t
			}
			if t.State == taskFailed {
				r.Restarts++
			}
		}
	}
	if last != nil {
		r.Finished, r.ExitCode = last.Since, last.ExitCode
	}
	r.State = r.stateBy(tried, last != nil)
	r.Health = r.healthBy()
}

func (r *record) stateBy(tried, ended bool) string {
	switch {
	case r.Serving > 0:
		return api.StateRunning
	case tried:
		return api.StateRestarting
	case ended || r.Replicas > 0:
		return api.StateExited
	}
	return api.StateCreated
}

// healthBy: a replica whose health check fails is replaced, so that those that
// run are healthy.
func (r *record) healthBy() string {
	switch {
	case !r.service.checked:
		return api.HealthNone
	case r.Serving >= r.Replicas:
		return api.HealthHealthy
	}
	return api.HealthStarting
}

// taskOf reads a task, given the nodes by their ids.
func taskOf(d *taskData, nodes map[string]*node) task {
	t := task{
		Task: api.Task{
			ID: d.ID, Replica: d.Slot, State: d.Status.State, Wanted: d.DesiredState, Since: api.Time{Time: d.Status.Timestamp.UTC()},
			ExitCode: d.Status.ContainerStatus.ExitCode, Error: strings.ToValidUTF8(d.Status.Err, "\ufffd"),
			Commit: d.Spec.ContainerSpec.Labels[labelCommit],
		},
		node: nodes[d.NodeID], created: api.Time{Time: d.CreatedAt.UTC()}, container: d.Status.ContainerStatus.ContainerID,
	}
	if t.node == nil {
		return t
	}
	t.Node = t.node.Name
	t.Orphan = t.onDeadNode() && t.container != "" && !t.ended() && t.Wanted != taskRunning
	if addr, err := netip.ParseAddr(t.node.Address); err == nil && t.runs() && len(d.Status.PortStatus.Ports) > 0 {
		t.addr = netip.AddrPortFrom(addr, uint16(d.Status.PortStatus.Ports[0].PublishedPort))
		t.Address = t.addr.String()
	}
	return t
}

func nodeOf(n swarm.Node) *node {
	address := n.Status.Addr
	if n.ManagerStatus != nil {
		if ip, err := netip.ParseAddr(address); err != nil || ip.IsUnspecified() || ip.IsLoopback() { // a manager may not know its own otherwise
			address, _, _ = net.SplitHostPort(n.ManagerStatus.Addr)
		}
	}
	return &node{api.Node{
		Name: n.Description.Hostname, ID: n.ID, Address: address, State: string(n.Status.State),
		Availability: string(n.Spec.Availability), Manager: n.ManagerStatus != nil,
	}}
}

// route tells the Router of the tasks of a service. The state calls it, with its
// lock held.
func (s *Swarm) route(r *record) {
	if s.cfg.Router == nil {
		return
	}
	now := map[string]Route{}
	if r.State != api.StateRemoved && r.Port != 0 {
		for _, route := range s.routesOf(r) {
			now[route.ID] = route
		}
	}
	before := s.routed[r.ID]
	for id, route := range now {
		if before[id] != route {
			s.cfg.Router.Route(route)
		}
	}
	for id, route := range before {
		if _, still := now[id]; !still {
			route.State, route.Address = api.StateRemoved, netip.AddrPort{}
			s.cfg.Router.Route(route)
		}
	}
	s.routed[r.ID] = now
	if r.State == api.StateRemoved {
		delete(s.routed, r.ID)
	}
}

// routesOf gives a route for each task that serves. A service of which none does
// has one all the same, which leads nowhere: its host is known.
func (s *Swarm) routesOf(r *record) (routes []Route) {
	for _, t := range r.service.tasks {
		if t.addr.IsValid() {
			routes = append(routes, Route{Name: r.Name, Replica: t.Replica, ID: t.ID, Host: r.host, Domain: r.Domain, Port: r.Port, Address: t.addr, State: api.StateRunning, Health: api.HealthNone, Started: t.created})
		}
	}
	if len(routes) == 0 {
		routes = append(routes, Route{Name: r.Name, ID: r.ID, Host: r.host, Domain: r.Domain, State: r.State, Health: r.Health})
	}
	return routes
}
