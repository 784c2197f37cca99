package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
)

// SwarmSurvey is what a swarm looks like to those who look after it.
type SwarmSurvey struct {
	Managers []ManagerSurvey // those that the configuration names, in its order
	Root     string          // where the first that can be used keeps its data; "" when that is on another host

	// What follows is of the swarm itself, and empty if no manager can be used.
	Nodes     []NodeSurvey  // by name
	Heartbeat time.Duration // how often a node tells that it is there
	Registry  error         // why the manager does not reach the registry; nil when it does
}

// ManagerSurvey is one of the engines that are to manage the swarm.
type ManagerSurvey struct {
	Host, Version, API string
	Err                error // why it cannot be used; nil when it can
}

// NodeSurvey is a node of the swarm.
type NodeSurvey struct {
	api.Node
	Reachable bool          // it is a manager that the others reach
	API       error         // why its own API cannot be asked; nil when it can, or need not be as the node is down
	Ahead     time.Duration // by how much its clock is before that of this host, as far as its API tells
}

// Survey looks at the swarm for those who do not Run it. An error says that what
// a manager was asked could not be had; that one cannot be used is none.
func (s *Swarm) Survey(ctx context.Context) (found SwarmSurvey, err error) {
	var used *manager
	for _, m := range s.managers {
		one := m.survey(ctx)
		found.Managers = append(found.Managers, one)
		if used == nil && one.Err == nil {
			used = m
		}
	}
	if used == nil {
		return found, nil
	}
	if !remote(used.Host()) {
		found.Root = used.info.Load().DockerRootDir
	}
	cluster, err := ask(ctx, used.cli.SwarmInspect)
	if err != nil {
		return found, used.wrap(err, "", "", "the swarm says nothing about itself")
	}
	found.Heartbeat = cluster.Spec.Dispatcher.HeartbeatPeriod
	found.Registry = used.reachesRegistry(ctx)
	found.Nodes, err = s.surveyNodes(ctx, used)
	return found, err
}

func (m *manager) survey(ctx context.Context) ManagerSurvey {
	found := ManagerSurvey{Host: m.Host()}
	if found.Err = m.Check(ctx); found.Err != nil {
		return found
	}
	info, err := within(ctx, syncTimeout, m.cli.Info)
	if err != nil {
		found.Err = m.wrap(err, "", "", "the engine at %s says nothing about itself", m.Host())
		return found
	}
	m.info.Store(&info)
	found.Version, found.API, found.Err = info.ServerVersion, m.cli.ClientVersion(), m.fit()
	return found
}

// reachesRegistry has the manager ask its registry for an image that is not
// there.
func (m *manager) reachesRegistry(ctx context.Context) error {
	ref := m.repository + "doctor:latest"
	auth, err := m.authFor(ref)
	if err != nil {
		return err
	}
	_, err = within(ctx, syncTimeout, func(ctx context.Context) (struct{}, error) {
		_, err := m.cli.DistributionInspect(ctx, ref, auth)
		return struct{}{}, err
	})
	if errdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), "manifest unknown") {
		return nil
	}
	return err
}

func (s *Swarm) surveyNodes(ctx context.Context, m *manager) (all []NodeSurvey, err error) {
	found, err := ask(ctx, func(ctx context.Context) ([]swarm.Node, error) {
		return m.cli.NodeList(ctx, swarm.NodeListOptions{})
	})
	for _, n := range found {
		node := nodeOf(n)
		one := NodeSurvey{Node: node.Node, Reachable: n.ManagerStatus != nil && n.ManagerStatus.Reachability == swarm.ReachabilityReachable}
		if !node.down() {
			one.Ahead, one.API = s.askNode(ctx, m, node)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b NodeSurvey) int { return strings.Compare(a.Name, b.Name) })
	return all, m.wrap(err, "", "", "the nodes of the swarm are not known")
}

// askNode gives by how much the clock of a node is before ours, or says why its
// API cannot be asked.
func (s *Swarm) askNode(ctx context.Context, m *manager, n *node) (ahead time.Duration, err error) {
	cli, err := s.nodeClient(m, n)
	if err != nil {
		return 0, err
	}
	info, err := ask(ctx, cli.Info)
	if err == nil && info.Swarm.NodeID != n.ID {
		err = unavailable(nil, api.OutcomeNone, "at %s another engine answers, %s", cli.DaemonHost(), info.Name)
	}
	if at := timeOf(info.SystemTime); err == nil && !at.IsZero() {
		ahead = time.Until(at.Time)
	}
	return ahead, err
}
