package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// look inspects a container and puts what it is into the state, unless it is
// still being created. It gives the engine's own document too. All of it takes no
// longer than the limit.
func (e *Engine) look(ctx context.Context, id string, limit time.Duration) (r *record, document json.RawMessage, err error) {
	r, err = within(ctx, limit, func(ctx context.Context) (*record, error) {
		unlock, err := e.refresh.lock(ctx, id)
		if err != nil {
			return nil, err
		}
		defer unlock()
		r, document, err = e.observe(ctx, id)
		return r, err
	})
	return r, document, err
}

// observe is look for who has the lock.
func (e *Engine) observe(ctx context.Context, id string) (*record, json.RawMessage, error) {
	r, document, err := e.fetch(ctx, id)
	if err == nil && !e.hidden(r) {
		e.state.put(r)
	}
	return r, document, err
}

// hidden says whether a container is still being created, or never will be whole:
// nobody sees it.
func (e *Engine) hidden(r *record) bool {
	known, ok := e.state.get(r.Name)
	return r.halfMade || e.hosts.taken(e.hostOf(r.Name)) && !(ok && known.ID == r.ID)
}

// admit is look after a change of ours: what the container is by now is in the
// state when it returns.
func (e *Engine) admit(ctx context.Context, id string) (api.Container, error) {
	unlock, err := e.refresh.lock(ctx, id)
	if err != nil {
		return api.Container{}, err
	}
	defer unlock()
	r, _, err := e.fetch(ctx, id)
	if err != nil {
		return api.Container{}, err
	}
	e.state.put(r)
	return r.Container, nil
}

// fetch inspects a container. One that is gone, or not ours, is forgotten, and
// one that was replaced is kept: these are not found. While one takes the name of another neither may
// have it: what was known under the name stays known.
func (e *Engine) fetch(ctx context.Context, id string) (*record, json.RawMessage, error) {
	now := time.Now()
	c, document, err := e.cli.ContainerInspectWithRaw(ctx, id, false)
	if errdefs.IsNotFound(err) {
		e.forget(id)
	}
	if err != nil {
		return nil, nil, err
	}
	r := e.recordOf(c)
	r.looked = now
	switch is, until, ours := e.inspectedRole(c); {
	case !ours:
		e.forget(id)
	case is == current:
		return r, document, nil
	case is == previous:
		r.until = until
		e.state.keep(r)
	}
	return nil, nil, fmt.Errorf("the container has no name of its own: %w", errdefs.ErrNotFound)
}

// forget drops the container with this id, whatever it is called.
func (e *Engine) forget(id string) {
	for _, r := range e.state.all() {
		if r.ID == id {
			e.state.drop(r.Name, id)
		}
	}
}

func (e *Engine) lookAgain(ctx context.Context, id string) {
	if _, _, err := e.look(ctx, id, syncTimeout); err != nil && ctx.Err() == nil {
		e.log.Debug("a container could not be looked at", zap.String("id", id), zap.Error(err))
	}
}
