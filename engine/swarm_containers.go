package engine

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/dockwire/dockwire/client/api"
)

// Containers gives the services of this instance, as Engine.Containers does.
func (s *Swarm) Containers(ctx context.Context) ([]api.Container, error) {
	if _, err := s.ready(ctx); err != nil {
		return nil, err
	}
	return containersOf(s.state.list()), nil
}

// List gives the services as JSON, as Engine.List does.
func (s *Swarm) List(ctx context.Context, seen func(name string) bool) (json.RawMessage, error) {
	if _, err := s.ready(ctx); err != nil {
		return nil, err
	}
	return s.state.listed(seen), nil
}

// Leads says whether a Route leads to its replica still, as Engine.Leads does.
func (s *Swarm) Leads(_ context.Context, r Route) error {
	if known, ok := s.state.get(r.Name); ok && slices.ContainsFunc(s.routesOf(known), func(now Route) bool { return now == r }) {
		return nil
	}
	return &Error{Class: NotRunning, Reason: r.Name + " has no replica there any more", Data: api.ErrorData{Kind: kindContainer, Name: r.Name}}
}

// Container gives a service as it was last known.
func (s *Swarm) Container(name string) (c api.Container, known bool) {
	r, ok := s.state.get(name)
	if !ok {
		return api.Container{}, false
	}
	return r.Container, true
}

// Changes gives what changed, as Engine.Changes does.
func (s *Swarm) Changes(since uint64) (changed []api.Container, now uint64, whole bool) {
	records, now, whole := s.state.since(since)
	return containersOf(records), now, whole
}

// Changed gives a channel that is closed at the next change.
func (s *Swarm) Changed() <-chan struct{} { return s.state.next() }

// Up says whether a manager answers and the live state is as it said.
func (s *Swarm) Up() bool { return s.state.isUp() }

// find gives the service called name, once the state is as the swarm is.
func (s *Swarm) find(ctx context.Context, name string) (*record, *manager, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, nil, err
	}
	if r, ok := s.state.get(name); ok {
		return r, m, nil
	}
	return nil, nil, notFound(kindContainer, name, "there is no container called %s: list shows those that there are", quote(name))
}
