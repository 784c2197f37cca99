package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/rpc"
)

// method is an entry of the method table: all that is known of a method. The
// calls, their authorization, rpc.discover and the tests read the same table.
type method struct {
	name    string // "build"; "NAME/logs" for those of each container
	summary string
	scope   access.Scope
	params  reflect.Type // a struct of package api, in the order of the positions
	result  reflect.Type
	event   string     // the notification that it sends while it has not answered; "" if it never streams
	errors  []api.Code // that it answers, beside those that any method may

	// subject gives the name of what a call with these parameters is about; ""
	// if they name nothing.
	subject func(params json.RawMessage) string

	// accept decodes a call and takes its place in the order. It runs on the
	// goroutine that reads the connection.
	accept func(*Daemon, *call) (rpc.Job, error)
}

// ofContainer says whether the method is one of each container.
func (m *method) ofContainer() bool { return strings.HasPrefix(m.name, "NAME/") }

// call is a call on its way through the daemon.
type call struct {
	*rpc.Call
	method *method
	caller access.Caller
	name   string  // of the container, for a NAME/ method
	turn   *ticket // for a method that keeps its turn
}

// traits say how a method differs from one that answers at once and changes
// nothing. Nil fields mean that it does not.
type traits[P any] struct {
	event   string
	errors  []api.Code
	streams bool                            // every call streams
	follows func(p *P) bool                 // whether this call streams, without an end of its own
	check   func(*Daemon, *call, *P) error  // refuses bad parameters before anything is begun, and may complete them
	claims  func(name string, p *P) []claim // what a mutating call is about, the first thing first
	about   func(p *P) string               // what a call is about that makes no claims
	keeps   bool                            // run keeps the turn, in call.turn, and leaves it
	result  reflect.Type                    // of what run gives as JSON that is made already

	// prepare does what can be done while the call waits for all but the first
	// thing that it is about. Undo comes after run, or instead of it.
	prepare func(context.Context, *Daemon, *call, *P) (undo func())
}

// define makes the entry of a method. Run gets the parameters decoded; for a
// method with claims it is called when its turn has come, with a context that a
// cancel does not end: a mutation that has begun finishes.
func define[P, R any](name string, scope access.Scope, summary string, t traits[P], run func(context.Context, *Daemon, *call, *P) (R, error)) *method {
	m := &method{name: name, scope: scope, summary: summary, event: t.event, errors: t.errors,
		params: reflect.TypeFor[P](), result: cmp.Or(t.result, reflect.TypeFor[R]())}
	m.subject = func(params json.RawMessage) string {
		switch p := new(P); {
		case t.claims == nil && t.about == nil, rpc.DecodeParams(params, p) != nil:
			return ""
		case t.claims == nil:
			return t.about(p)
		default:
			return t.claims("", p)[0].name
		}
	}
	m.accept = func(d *Daemon, c *call) (rpc.Job, error) {
		p, err := t.decode(d, c)
		if err != nil {
			return rpc.Job{}, err
		}
		job := rpc.Job{
			Run:    func(ctx context.Context) (any, error) { return run(ctx, d, c, p) },
			Stream: t.streams || t.following(p),
		}
		if t.claims != nil {
			t.enter(d, c, p, &job)
		}
		return job, nil
	}
	return m
}

// decode gives the parameters of a call, or why it is refused. Whether the caller
// may touch what they name comes before whether they are right.
func (t *traits[P]) decode(d *Daemon, c *call) (*P, error) {
	p := new(P)
	if err := rpc.DecodeParams(c.Params(), p); err != nil {
		return nil, err
	}
	if t.claims != nil {
		if err := d.cover(c, t.claims(c.name, p)...); err != nil {
			return nil, err
		}
	}
	if t.check != nil {
		if err := t.check(d, c, p); err != nil {
			return nil, err
		}
	}
	if t.following(p) {
		return p, followable(c)
	}
	return p, nil
}

// following says whether the call has no end of its own.
func (t *traits[P]) following(p *P) bool { return t.follows != nil && t.follows(p) }

// enter takes the call's place in the order, which is given up if the call will
// not run.
func (t *traits[P]) enter(d *Daemon, c *call, p *P, job *rpc.Job) {
	c.turn = d.order.enter(t.claims(c.name, p)...)
	job.Drop = c.turn.leave
	if !t.keeps {
		job.Run = inTurn(job.Run, c.turn, func(ctx context.Context) (undo func()) {
			if t.prepare == nil || !c.turn.waitForFirst(ctx) {
				return func() {}
			}
			return t.prepare(ctx, d, c, p)
		})
	}
}

// followable refuses to follow where nobody could: a notification has no id to
// send the lines under, and is not told so either.
func followable(c *call) error {
	if c.InBatch() {
		return invalidParam("follow", "follow is not possible in a batch, whose answers wait for each other: send the call by itself")
	}
	if c.Notification() {
		return invalidParam("follow", "follow needs a call with an id")
	}
	return nil
}

type runFunc = func(context.Context) (any, error)

// inTurn runs a mutation when its turn has come, prepared meanwhile.
func inTurn(run runFunc, turn *ticket, prepare func(context.Context) (undo func())) runFunc {
	return func(ctx context.Context) (any, error) {
		defer turn.leave()
		defer prepare(ctx)()
		if err := turn.wait(ctx); err != nil {
			return nil, err
		}
		return run(context.WithoutCancel(ctx))
	}
}

// ofLive makes a function for a method of each container: it answers that there
// is no such method when the container is not there.
func ofLive[P, R any](run func(ctx context.Context, d *Daemon, c *call, p *P) (R, error)) func(context.Context, *Daemon, *call, *P) (R, error) {
	return func(ctx context.Context, d *Daemon, c *call, p *P) (R, error) {
		if err := d.mustExist(ctx, c); err != nil {
			var none R
			return none, err
		}
		return run(ctx, d, c, p)
	}
}

// mustExist looks for the call's container in the live state. Before the state
// is known it waits for it, for a moment.
func (d *Daemon) mustExist(ctx context.Context, c *call) error {
	_, known := d.engine.Container(c.name)
	if !known && !d.engine.Up() {
		if _, err := d.engine.Containers(ctx); err != nil {
			return err
		}
		_, known = d.engine.Container(c.name)
	}
	if known {
		return d.cover(c, containerClaim(c.name)) // whose sibling it is was not known before
	}
	return methodNotFound("there is no container %q, so it has no methods; list shows those there are", c.name)
}

// lookup finds the entry of a method, and the container that it names.
func (t methodTable) lookup(name string) (m *method, container string, err error) {
	if m, ok := t[name]; ok && !m.ofContainer() {
		return m, "", nil
	}
	container, verb, ok := strings.Cut(name, "/")
	if m, found := t["NAME/"+verb]; ok && found {
		return m, container, nil
	}
	if ok {
		return nil, "", methodNotFound("containers have no operation %q; rpc.discover lists those there are", verb)
	}
	return nil, "", methodNotFound("there is no method %q; rpc.discover lists those there are", name)
}

// subject says for the audit which method of the table a call was to, and the
// name of what it was about.
func (t methodTable) subject(c *rpc.Call) (method, name string) {
	m, container, err := t.lookup(c.Method())
	switch {
	case err != nil:
		return clip(c.Method()), ""
	case m.ofContainer():
		return m.name, clip(container)
	}
	return m.name, clip(m.subject(c.Params()))
}

// methodTable holds the methods by name.
type methodTable map[string]*method

func newMethodTable(methods ...*method) methodTable {
	t := methodTable{}
	for _, m := range methods {
		t[m.name] = m
	}
	return t
}
