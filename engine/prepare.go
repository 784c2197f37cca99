package engine

import (
	"context"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// Prepare makes what a create of p, by the token called owner, will need whatever
// its image is: it reserves the name and the domain, and makes the network. It is
// for a create that waits for its image to be built, and tells of no error: the
// create does, which needs nothing of this to be there. Undo has to be called when
// the create has answered or will not be made. What it would have removed when the
// daemon is killed, the next connect does.
func (e *Engine) Prepare(ctx context.Context, p api.CreateParams, owner string) (undo func()) {
	p, err := checkCreate(p, e.cfg.Base)
	if err != nil || p.Network != "" { // a shared network is joined, and may be there already
		return func() {}
	}
	release := func() {}
	err = e.change(ctx, p.Name, 0, func(ctx context.Context) error {
		release, err = e.prepare(ctx, p, owner)
		return err
	})
	if err != nil {
		e.log.Debug("a create could not be prepared", zap.String("name", p.Name), zap.Error(err))
	}
	return func() {
		release()
		e.unprepare(context.WithoutCancel(ctx), p.Name)
	}
}

// prepare does the first steps of create.
func (e *Engine) prepare(ctx context.Context, p api.CreateParams, owner string) (release func(), err error) {
	s := spec{CreateParams: p, domain: e.domainOf(p.Name, p.Domain), labels: map[string]string{labelOwner: owner}}
	if err := e.settle(ctx, s.Name, e.tellLog(s.Name)); err != nil {
		return func() {}, err
	}
	release, err = e.reserve(ctx, s)
	if err != nil {
		return func() {}, err
	}
	_, err = e.makeNetwork(ctx, bridge{kind: kindNetwork, name: s.Name, internal: s.strict()})
	return release, err
}

// unprepare removes the network of a name that has no container.
func (e *Engine) unprepare(ctx context.Context, name string) {
	err := e.unlessInUse(ctx, name, func(ctx context.Context, name string) error { return e.releaseNetwork(ctx, name, "") })
	if err != nil {
		e.log.Warn("a network was left behind, until the next connect", zap.String("name", name), zap.Error(err))
	}
}
