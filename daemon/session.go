package daemon

import (
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/rpc"
)

// session is a connection, with the caller behind it.
type session struct {
	daemon *Daemon
	caller access.Caller
}

// Accept implements rpc.Handler: it finds the method, asks whether the caller
// may call it, decodes the parameters, and takes the call's place in the order.
func (s *session) Accept(c *rpc.Call) (rpc.Job, error) {
	m, container, err := s.daemon.methods.lookup(c.Method())
	if err != nil {
		return rpc.Job{}, err
	}
	if !s.caller.Scope.Allows(m.scope) {
		return rpc.Job{}, forbidden(c.Method(), m.scope.String())
	}
	return m.accept(s.daemon, &call{Call: c, caller: s.caller, name: container})
}
