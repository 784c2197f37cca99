package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// nodes are the engines of single nodes, by address, as far as they were needed.
type nodes struct {
	mu       sync.Mutex
	byTarget map[string]*client.Client
}

func (n *nodes) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, cli := range n.byTarget {
		errs = append(errs, cli.Close())
	}
	n.byTarget = nil
	return errors.Join(errs...)
}

// get gives the client for an address, and makes it if there is none.
func (n *nodes) get(target string, create func() (*client.Client, error)) (*client.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cli, ok := n.byTarget[target]; ok {
		return cli, nil
	}
	cli, err := create()
	if err != nil {
		return nil, err
	}
	if n.byTarget == nil {
		n.byTarget = map[string]*client.Client{}
	}
	n.byTarget[target] = cli
	return cli, nil
}

// nodeClient gives a client of the node's own API: only that knows what its
// containers use, and what they changed.
func (s *Swarm) nodeClient(m *manager, n *node) (*client.Client, error) {
	if n == nil {
		return nil, unavailable(nil, api.OutcomeNone, "no node has taken it yet")
	}
	if n.ID == m.info.Load().Swarm.NodeID {
		return m.cli, nil
	}
	c := s.cfg.Swarm
	if c.NodeAPI == "" {
		return nil, unavailable(nil, api.OutcomeNone, "the node %s has to be asked itself, and the daemon was not told where: give --node-api", n.Name)
	}
	target := strings.NewReplacer("{address}", n.Address, "{name}", n.Name).Replace(c.NodeAPI)
	cli, err := s.nodes.get(target, func() (*client.Client, error) {
		options := []client.Opt{client.WithHost(target), client.WithAPIVersionNegotiation(), client.WithUserAgent("dockwire")}
		if c.NodeCert != "" || c.NodeCA != "" {
			options = append(options, client.WithTLSClientConfig(c.NodeCA, c.NodeCert, c.NodeKey))
		}
		return client.NewClientWithOpts(options...)
	})
	if err != nil {
		return nil, unavailable(err, api.OutcomeNone, "the API of the node %s at %s cannot be used: %v", n.Name, target, err)
	}
	return cli, nil
}

// eachReplica asks the nodes of all replicas that run, side by side, and gives
// the answers in the order of the replicas.
func eachReplica[T any](ctx context.Context, s *Swarm, m *manager, r *record, question func(context.Context, *client.Client, *task) (T, error)) (tasks []*task, answers []T, errs []error) {
	for i := range r.service.tasks {
		if t := &r.service.tasks[i]; t.runs() && t.container != "" {
			tasks = append(tasks, t)
		}
	}
	answers, errs = make([]T, len(tasks)), make([]error, len(tasks))
	var asking sync.WaitGroup
	for i, t := range tasks {
		asking.Go(func() {
			cli, err := s.nodeClient(m, t.node)
			if err == nil {
				answers[i], err = question(ctx, cli, t)
			}
			if errdefs.IsNotFound(err) {
				err = &Error{Class: NotRunning, Reason: fmt.Sprintf("replica %d of %s is not on the node %s any more: it has just ended; or --node-api leads to another engine", t.Replica, r.Name, t.Node),
					Data: api.ErrorData{Kind: kindContainer, Name: r.Name}, Err: err}
			}
			if err != nil {
				errs[i] = m.wrap(err, kindContainer, r.Name, "the node %s does not tell of replica %d of %s", t.Node, t.Replica, r.Name)
			}
		})
	}
	asking.Wait()
	return tasks, answers, errs
}

// eachNode asks all nodes that are there, side by side. Those that do not tell
// are left out, and the log says so.
func (s *Swarm) eachNode(ctx context.Context, m *manager, what string, do func(context.Context, *client.Client) error) error {
	nodes, err := s.readNodes(ctx, m)
	if err != nil {
		return m.wrap(err, "", "", "the nodes of the swarm are not known")
	}
	var asking sync.WaitGroup
	for _, n := range nodes {
		if n.down() {
			continue
		}
		asking.Go(func() {
			cli, err := s.nodeClient(m, n)
			if err == nil {
				err = do(ctx, cli)
			}
			if err != nil {
				s.log.Warn(what, zap.String("node", n.Name), zap.Error(err))
			}
		})
	}
	asking.Wait()
	return nil
}

// notRunning says that no replica runs.
func notRunning(r *record) *Error {
	return &Error{
		Class:  NotRunning,
		Reason: fmt.Sprintf("%s does not run, it is %s: start it first", r.Name, r.State),
		Data:   api.ErrorData{Kind: kindContainer, Name: r.Name},
	}
}
