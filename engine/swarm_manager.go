package engine

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/versions"

	"github.com/dockwire/dockwire/client/api"
)

// manager is an engine that manages the swarm, as far as we know.
type manager struct {
	*Engine
	lists  *http.Client                 // for long answers
	failed atomic.Int64                 // when it could not be used any more, in Unix nanoseconds
	role   atomic.Pointer[swarm.Status] // what it is in its swarm, as it said last
}

func (s *Swarm) newManager(cfg Config, host string) (*manager, error) {
	cfg.Host, cfg.Router = host, nil
	e, err := New(cfg)
	if err != nil {
		return nil, err
	}
	e.repository = strings.TrimSuffix(cfg.Swarm.Registry, "/") + "/" + cfg.Instance + "/"
	e.elsewhere = s.state.list
	return &manager{Engine: e, lists: plainHTTP(e)}, nil
}

// oldestServices is the first API in which a service can have no-new-privileges;
// an older one drops that silently.
const oldestServices = "1.44"

// usable says why the engine cannot be used as a manager, if so.
func (m *manager) usable() error {
	if !m.Up() {
		return m.whyNotReady()
	}
	return m.fit()
}

// fit says why an engine that answers cannot be used as a manager, if so.
func (m *manager) fit() error {
	state, manages := m.roleNow()
	switch {
	case state != swarm.LocalNodeStateActive:
		return unavailable(nil, api.OutcomeNone, "the engine at %s is in no swarm: run docker swarm init or join, or give --engine docker", m.Host())
	case !manages:
		return unavailable(nil, api.OutcomeNone, "the engine at %s is a worker of its swarm: give the address of a manager", m.Host())
	case versions.LessThan(m.cli.ClientVersion(), oldestServices):
		return unavailable(nil, api.OutcomeNone, "the engine at %s has the API %s, in which a service cannot be kept from new privileges: a swarm needs %s, which came with Docker 25", m.Host(), m.cli.ClientVersion(), oldestServices)
	}
	return nil
}

// roleNow gives what the engine is in its swarm, as far as we know.
func (m *manager) roleNow() (state swarm.LocalNodeState, manages bool) {
	if role := m.role.Load(); role != nil {
		return role.NodeState, role.ControlAvailable
	}
	info := m.info.Load()
	return info.Swarm.LocalNodeState, info.Swarm.ControlAvailable
}

// keepRole learns whether the engine is promoted, demoted or leaves its swarm,
// until ctx ends: it has no event for that, and goes on to answer.
func (m *manager) keepRole(ctx context.Context) {
	for tick := time.NewTicker(pulseEvery); ; {
		select {
		case <-tick.C:
			m.askRole(ctx)
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// askRole asks the engine what it is in its swarm.
func (m *manager) askRole(ctx context.Context) {
	pong, err := ask(ctx, m.cli.Ping)
	if err == nil && pong.SwarmStatus != nil {
		m.role.Store(pong.SwarmStatus)
	}
}

// failedTime is how long a manager that failed is the last choice.
const failedTime = 5 * time.Second

// manager gives the first manager that can be used. One that failed a moment ago,
// because it was demoted, say, is taken if there is no other.
func (s *Swarm) manager() (*manager, error) {
	var first error
	var last *manager
	for _, m := range s.managers {
		err := m.usable()
		switch {
		case err == nil && time.Since(time.Unix(0, m.failed.Load())) > failedTime:
			return m, nil
		case err == nil && last == nil:
			last = m
		case err != nil && first == nil:
			first = err
		}
	}
	if last != nil {
		return last, nil
	}
	return nil, first
}

// hasNoLeader says whether an error may be so because the managers have no leader
// now, which passes. One that is a manager no more says the same.
func (m *manager) hasNoLeader(err error) bool { return errdefs.IsUnavailable(err) && m.usable() == nil }
