package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/docker/docker/api/types"

	"github.com/dockwire/dockwire/client/api"
)

// Containers gives the containers of this instance, by name. It waits up to two
// seconds for the engine to answer, then it is Unavailable.
func (e *Engine) Containers(ctx context.Context) ([]api.Container, error) {
	if err := e.certain(ctx); err != nil {
		return nil, err
	}
	return containersOf(e.state.list()), nil
}

// List is Containers as one JSON array, of those whose names are seen; of all
// when seen is nil. Nobody may change it.
func (e *Engine) List(ctx context.Context, seen func(name string) bool) (json.RawMessage, error) {
	if err := e.certain(ctx); err != nil {
		return nil, err
	}
	return e.state.listed(seen), nil
}

// Container gives the container called name as it was last known, whether or
// not the engine is there.
func (e *Engine) Container(name string) (c api.Container, known bool) {
	r, ok := e.state.get(name)
	if !ok {
		return api.Container{}, false
	}
	return r.Container, true
}

// Changes gives the containers that changed after the version since, oldest
// change first, and the version now. Those that are gone come with the state
// removed. After version 0, or one that is too old, whole is true and the answer
// is all there are.
func (e *Engine) Changes(since uint64) (changed []api.Container, now uint64, whole bool) {
	records, now, whole := e.state.since(since)
	return containersOf(records), now, whole
}

// Changed gives a channel that is closed at the next change of a container, or
// when the engine comes or goes. To miss nothing, take it before looking.
func (e *Engine) Changed() <-chan struct{} { return e.state.next() }

// Up says whether the engine answers and the live state is as it said.
func (e *Engine) Up() bool { return e.state.isUp() }

func containersOf(records []*record) []api.Container {
	containers := make([]api.Container, 0, len(records))
	for _, r := range records {
		if r.version > 0 {
			containers = append(containers, r.Container)
		}
	}
	return containers
}

// find gives the container called name, once the state is as the engine is. One
// that is in doubt it looks at itself: that does not wait for the others.
func (e *Engine) find(ctx context.Context, name string) (*record, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	r, ok := e.state.get(name)
	if ok && e.state.inDoubt(r.ID) {
		if err := e.clear(ctx, r.ID, readTimeout); err != nil {
			return nil, e.wrap(err, kindContainer, name, "it is not known how %s is", name)
		}
		r, ok = e.state.get(name)
	}
	if ok && r.version > 0 {
		return r, nil
	}
	return nil, notFound(kindContainer, name, "there is no container called %s: list shows those that there are", quote(name))
}

// changeTimeout is how long the engine has for one change, waiting for a
// process to stop not counted.
const changeTimeout = time.Minute

// change does what do says to the container called name, one change of it at a
// time. Before do has begun, ctx takes it out of the queue, and so does an engine
// that falls silent; then it goes on to its end, unless the engine does that. One
// that is away or silent is noticed before anything is done.
func (e *Engine) change(ctx context.Context, name string, longer time.Duration, do func(context.Context) error) error {
	return e.changeThing(ctx, kindContainer, name, longer, do)
}

// changeThing is change for a thing of any kind.
func (e *Engine) changeThing(ctx context.Context, kind, name string, longer time.Duration, do func(context.Context) error) error {
	if err := e.alive(ctx); err != nil { // asked before the queue: all who wait in it learn at once
		return err
	}
	unlock, err := e.queue(ctx, kind+" "+name)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := e.untilSilent(context.WithoutCancel(ctx))
	defer cancel()
	bounded, cancel := context.WithTimeout(ctx, changeTimeout+longer)
	defer cancel()
	err = causeOf(ctx, do(bounded))
	if err != nil && bounded.Err() != nil && !errors.Is(err, errSilent) {
		return unavailable(err, api.OutcomeUnknown, "the engine did not finish within %v what was to be done to the %s %s", changeTimeout+longer, kind, name)
	}
	return err
}

// queue waits for the turn to change a thing, while the engine lives.
func (e *Engine) queue(ctx context.Context, key string) (unlock func(), err error) {
	waiting, cancel := e.untilSilent(ctx)
	defer cancel()
	unlock, err = e.mutating.lock(waiting, key)
	if errors.Is(causeOf(waiting, err), errSilent) {
		return nil, unavailable(errSilent, api.OutcomeNone, "nothing was done: the engine does not answer any more: see whether it hangs or is overloaded")
	}
	return unlock, err
}

// alive says whether the engine answers right now.
func (e *Engine) alive(ctx context.Context) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	_, err := ask(ctx, func(ctx context.Context) (types.Ping, error) { return e.cli.Ping(ctx) })
	return e.wrap(err, "", "", "nothing was done")
}
