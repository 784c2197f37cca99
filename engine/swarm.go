package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// SwarmConfig says how a swarm is reached, beyond what Config says. An Engine
// does not look at it.
type SwarmConfig struct {
	Registry string   // HOST[:PORT][/PATH] where images are pushed, and nodes pull them
	Managers []string // addresses of further managers, for when the first is away
	LogDir   string   // where the copies of the logs are kept

	// NodeAPI is the address of the API of a node, in which {address} and {name}
	// stand for its own. Without one only what runs on the manager itself can be
	// looked into.
	NodeAPI                   string
	NodeCA, NodeCert, NodeKey string // files for TLS to the nodes; the node API is in clear without
}

// Swarm is a Docker Swarm: what is a container to callers is a service to it,
// with replicas on any of its nodes. It has an Engine for each manager, which
// builds its images, and looks into its state through the first that answers.
//
// Its labels are the database, as they are an Engine's. Logs are copied to this
// host as they are written, for a swarm deletes them with the replica. Its
// methods may be called at the same time from anywhere.
type Swarm struct {
	cfg      Config
	log      *zap.Logger
	managers []*manager
	state    *state
	hosts    reservations   // of services that are being created
	mutating locks          // by name: one change of a service at a time
	tidying  sync.WaitGroup // of what was left half-done
	looking  locks          // one look at a time, so that none overwrites a later one
	nodes    nodes
	logs     *serviceLogs
	session  atomic.Pointer[session]     // nil while no manager can be used
	routed   map[string]map[string]Route // by name and task; guarded by the state
}

// NewSwarm gives a Swarm for the configuration. Like New it sends nothing yet.
func NewSwarm(cfg Config) (*Swarm, error) {
	if err := checkSwarm(cfg.Swarm); err != nil {
		return nil, err
	}
	s := &Swarm{state: newState(), routed: map[string]map[string]Route{}}
	for _, host := range append([]string{cfg.Host}, cfg.Swarm.Managers...) {
		m, err := s.newManager(cfg, host)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.managers = append(s.managers, m)
	}
	s.cfg, s.log = s.managers[0].cfg, s.managers[0].log // with the defaults
	s.cfg.Router = cfg.Router
	s.state.route = s.route
	s.logs = newServiceLogs(s.copyLog)
	return s, nil
}

func checkSwarm(c SwarmConfig) error {
	if c.Registry == "" {
		return errors.New("a swarm needs a registry that all its nodes reach: give --registry HOST:PORT")
	}
	if _, err := reference.ParseNamed(c.Registry + "/a"); err != nil {
		return fmt.Errorf("the registry %s cannot be used: give HOST:PORT or HOST/PATH, without a scheme", quote(c.Registry))
	}
	if (c.NodeCert == "") != (c.NodeKey == "") {
		return errors.New("--node-cert and --node-key belong together: one of them is missing")
	}
	return nil
}

// ManagesSwarm says whether the engine of the configuration manages an active
// swarm.
func ManagesSwarm(ctx context.Context, cfg Config) (bool, error) {
	e, err := New(cfg)
	if err != nil {
		return false, err
	}
	defer e.Close()
	if err := e.Check(ctx); err != nil {
		return false, err
	}
	info, err := ask(ctx, e.cli.Info)
	return err == nil && info.Swarm.ControlAvailable, e.wrap(err, "", "", "the engine says nothing about itself")
}

// Close frees the connections. Call it when Run has ended.
func (s *Swarm) Close() error {
	var errs []error
	for _, m := range s.managers {
		m.lists.CloseIdleConnections()
		errs = append(errs, m.Close())
	}
	return errors.Join(append(errs, s.nodes.close())...)
}

// Run keeps the live state as the swarm is, and the copies of the logs, until
// ctx ends; then it returns nil.
func (s *Swarm) Run(ctx context.Context) error {
	var running sync.WaitGroup
	s.logs.ctx = ctx
	defer running.Wait()
	for _, m := range s.managers {
		running.Go(func() { m.Run(ctx) }) // it never fails
		running.Go(func() { m.keepRole(ctx) })
	}
	running.Go(func() { s.logs.rotate(ctx) })
	defer s.logs.close()
	defer s.tidying.Wait()
	s.follow(ctx)
	return nil
}

// Check says whether a manager answers. If not, the sentence tells why the first
// one does not.
func (s *Swarm) Check(ctx context.Context) error {
	var first error
	for _, m := range s.managers {
		err := m.Check(ctx)
		if err == nil && m.Up() {
			err = m.usable()
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// ready waits for the live state to be as the swarm is, as Engine.ready does,
// and gives the manager to ask.
func (s *Swarm) ready(ctx context.Context) (*manager, error) {
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for {
		changed := s.state.next()
		m, err := s.manager()
		if err == nil && s.state.isUp() {
			return m, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-bounded.Done():
			if err == nil {
				err = unavailable(nil, api.OutcomeNone, "the swarm's manager at %s did not answer within %v", m.Host(), readTimeout)
			}
			return nil, err
		}
	}
}

// change is Engine.change for a service: one change of a name at a time, which
// finishes once it has begun, unless its manager falls silent or is one no more.
func (s *Swarm) change(ctx context.Context, name string, limit time.Duration, do func(context.Context, *manager) error) error {
	m, err := s.ready(ctx)
	if err != nil {
		return err
	}
	if err := m.alive(ctx); err != nil { // asked before the queue: all who wait in it learn at once
		return err
	}
	unlock, err := s.queue(ctx, m, name)
	if err != nil {
		return err
	}
	defer unlock()
	if m, err = s.manager(); err != nil { // it may be another by now
		return err
	}
	ctx, cancel := m.untilSilent(context.WithoutCancel(ctx))
	defer cancel()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = causeOf(ctx, do(bounded, m))
	switch {
	case err == nil || errors.Is(err, errSilent):
		return err
	case bounded.Err() != nil:
		return unavailable(err, api.OutcomeUnknown, "the swarm did not finish within %v what was to be done to %s", limit, name)
	case errdefs.IsUnavailable(err):
		return unavailable(err, api.OutcomeUnknown, "it is not known how far the change of %s came: the engine at %s manages the swarm no more, or its managers have no leader", name, m.Host())
	}
	return err
}

// queue waits for the turn to change a service, while the manager lives.
func (s *Swarm) queue(ctx context.Context, m *manager, name string) (unlock func(), err error) {
	waiting, cancel := m.untilSilent(ctx)
	defer cancel()
	unlock, err = s.mutating.lock(waiting, name)
	if errors.Is(causeOf(waiting, err), errSilent) {
		return nil, unavailable(errSilent, api.OutcomeNone, "nothing was done to %s: the manager at %s does not answer any more: see whether it hangs or is overloaded", name, m.Host())
	}
	return unlock, err
}
