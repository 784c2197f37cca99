package daemon

import (
	"context"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/rpc"
)

// session is a connection, with what its caller was granted.
type session struct {
	daemon *Daemon
	grant  *access.Grant
	peer   string
}

// Accept implements rpc.Handler: it finds the method, asks whether the caller
// may call it, decodes the parameters, and takes the call's place in the order.
func (s *session) Accept(c *rpc.Call) (rpc.Job, error) {
	m, container, err := s.daemon.methods.lookup(c.Method())
	if err != nil {
		return rpc.Job{}, err
	}
	call := &call{Call: c, method: m, caller: s.grant.Caller, name: container}
	if err := s.allow(call); err != nil {
		return rpc.Job{}, err
	}
	job, err := m.accept(s.daemon, call)
	if err == nil && !s.grant.Lasts() {
		job.Run = s.whileGranted(call, job)
	}
	return job, err
}

// allow asks, at each call anew, whether the token is good, for the method and
// for the container that it is of.
func (s *session) allow(c *call) error {
	if ended := s.grant.Ended(); ended != nil {
		return c.forbidden(ended.Error())
	}
	if !c.caller.Scope.Allows(c.method.scope) {
		return c.forbidden(clip(c.Method()) + " needs a token of the scope " + c.method.scope.String())
	}
	if c.method.ofContainer() {
		return s.daemon.cover(c, containerClaim(c.name))
	}
	return nil
}

// whileGranted runs a call as long as the token is good: the streams of one that
// is revoked end, and what waits for its turn is not begun.
func (s *session) whileGranted(c *call, job rpc.Job) runFunc {
	return func(ctx context.Context) (any, error) {
		if ended := s.grant.Ended(); ended != nil {
			if job.Drop != nil {
				job.Drop()
			}
			return nil, c.forbidden(ended.Error())
		}
		ctx, release := s.grant.Bind(ctx)
		defer release()
		result, err := job.Run(ctx)
		return result, s.explain(c, err)
	}
}

// explain gives the error of a call that was ended together with its token, in
// place of that of one that was cancelled.
func (s *session) explain(c *call, err error) error {
	if err == nil {
		return nil
	}
	ended := s.grant.Ended()
	known := apiError(err)
	if ended == nil || c.Cancelled() || known == nil || known.Code != api.CodeCancelled {
		return c.conceal(err)
	}
	told := c.forbidden(ended.Error())
	if known.Data != nil {
		told.Data.Seq, told.Data.Cursor = known.Data.Seq, known.Data.Cursor
	}
	return told
}
