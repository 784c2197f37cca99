package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// How the live state is kept.
const (
	relistEvery  = 30 * time.Second // events are hints: the engine can lose some
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	syncTimeout  = 10 * time.Second // nobody waits for an answer
	eventOverlap = 2 * time.Second  // how far back a new subscription begins, so that none is missed while it is made
)

// Run keeps the live state as the engine is, until ctx ends; then it returns
// nil. It connects again by itself whenever the connection is lost. At every
// connect it removes what was left half-made. The firewall's chain stays when it
// ends, unless there is nothing more for it to cover.
func (e *Engine) Run(ctx context.Context) error {
	defer e.leaveFirewall(context.WithoutCancel(ctx))
	defer e.hints.wait()
	defer e.lingering.close()
	backoff := newBackoff(firstBackoff, lastBackoff)
	for {
		connected, err := e.follow(ctx)
		e.state.setUp(false)
		if ctx.Err() != nil {
			return nil
		}
		e.noteAway(connected, err)
		if connected {
			backoff.reset()
		}
		backoff.wait(ctx)
	}
}

// noteAway keeps the reason why the engine is away, for those who ask it
// meanwhile.
func (e *Engine) noteAway(wasConnected bool, err error) {
	var known *Error
	if !errors.As(err, &known) {
		known = unavailable(err, api.OutcomeNone, "the connection to the engine at %s was lost: it is being made again", e.cli.DaemonHost())
	}
	if before := e.away.Swap(known); wasConnected || before == nil || before.Reason != known.Reason {
		e.log.Warn("the engine is away", zap.String("reason", known.Reason), zap.Error(known.Err))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow keeps the state over one connection, until it is lost. It is connected
// once the state was read.
func (e *Engine) follow(ctx context.Context) (connected bool, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	var pulse sync.WaitGroup
	defer pulse.Wait()
	defer fail(nil)
	pulse.Go(func() { e.feelPulse(ctx, fail) })
	connected, err = e.keep(ctx, func() { fail(nil) })
	var silent *Error
	if errors.As(context.Cause(ctx), &silent) {
		err = silent
	}
	return connected, err
}

// keep is follow, until ctx ends; cancel ends it.
func (e *Engine) keep(ctx context.Context, cancel context.CancelFunc) (connected bool, err error) {
	messages, errs, err := e.subscribe(ctx, cancel)
	if err != nil {
		return false, err
	}
	if err := e.readAll(ctx); err != nil {
		return false, err
	}
	e.state.setUp(true)
	defer e.clearInBackground(ctx)()
	e.log.Info("the engine answers", zap.String("host", e.cli.DaemonHost()), zap.String("api", e.cli.ClientVersion()),
		zap.String("reach", chooseReach(e.cfg.Reach, e.info.Load())))
	e.sayGaps(ctx)
	return true, e.watch(ctx, messages, errs)
}

// subscribe asks for the events of our containers. Cancel ends it. There is no
// pulse before it: an engine that does not even say that it is there tells all who
// have come to wait for it meanwhile.
func (e *Engine) subscribe(ctx context.Context, cancel context.CancelFunc) (<-chan events.Message, <-chan error, error) {
	if err := e.Check(ctx); err != nil {
		e.silence.fall()
		return nil, nil, err
	}
	tooLate := time.AfterFunc(syncTimeout, cancel)
	messages, errs := e.cli.Events(ctx, events.ListOptions{
		Since:   time.Now().Add(-eventOverlap).Format(time.RFC3339Nano),
		Filters: e.ours(kindContainer, wantedEvents()...),
	})
	if !tooLate.Stop() {
		return nil, nil, errors.New("the engine did not begin to send events in time")
	}
	return messages, errs, nil
}

func wantedEvents() []filters.KeyValuePair {
	wanted := []filters.KeyValuePair{filters.Arg("type", string(events.ContainerEventType))}
	for _, action := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionRestart, events.ActionDie, events.ActionOOM, events.ActionDestroy,
		events.ActionPause, events.ActionUnPause, events.ActionRename, events.ActionUpdate, events.ActionHealthStatus,
	} {
		wanted = append(wanted, filters.Arg("event", string(action)))
	}
	return wanted
}

func (e *Engine) watch(ctx context.Context, messages <-chan events.Message, errs <-chan error) error {
	relist := time.NewTicker(relistEvery)
	defer relist.Stop()
	for {
		select {
		case message := <-messages:
			e.hints.give(message.Actor.ID, func(id string) { e.lookAgain(ctx, id) })
		case err := <-errs:
			return err
		case <-relist.C:
			if err := e.relist(ctx); err != nil {
				return err
			}
		}
	}
}

// readAll reads what there is to know at a connect.
func (e *Engine) readAll(ctx context.Context) error {
	info, err := within(ctx, syncTimeout, e.cli.Info)
	if err != nil {
		return err
	}
	e.info.Store(&info)
	mode := e.chooseFirewall(&info)
	e.firewallMode.Store(&mode)
	found, err := e.readList(ctx)
	if err != nil {
		return err
	}
	return e.tidy(ctx, found)
}

// tidy sees to what events do not tell, or only a daemon that was there when
// they came.
func (e *Engine) tidy(ctx context.Context, found []container.Summary) error {
	if err := e.keepFirewall(ctx); err != nil {
		e.log.Error("the firewall does not cover the containers", zap.Error(err))
	}
	if err := e.settleAll(ctx, found); err != nil {
		return err
	}
	if err := e.removeBuildNetworks(ctx); err != nil {
		return err
	}
	return e.removeOrphans(ctx)
}

// awaitUp waits until the engine answers and the live state is as it said, or
// ctx ends. Who asks an engine that is being started may get an answer, and none
// to the next question. One that is ending still counts as up for a moment, and
// answers on the connections that it has, but takes no new one.
func (e *Engine) awaitUp(ctx context.Context) {
	for backoff := e.hubs.backoff(); ctx.Err() == nil; backoff.wait(ctx) {
		e.awaitState(ctx)
		if e.Check(ctx) == nil {
			return
		}
	}
}

// awaitState waits until the live state is as the engine said, or ctx ends.
func (e *Engine) awaitState(ctx context.Context) {
	for changed := e.state.next(); !e.state.isUp(); changed = e.state.next() {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// ready waits for the live state to be as the engine is, for as long as a
// question to the engine may take.
func (e *Engine) ready(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for {
		changed := e.state.next()
		if e.state.isUp() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-bounded.Done():
			return e.whyNotReady()
		}
	}
}

func (e *Engine) whyNotReady() error {
	if why := e.away.Load(); why != nil {
		return why
	}
	return unavailable(nil, api.OutcomeNone, "the engine at %s did not answer within %v", e.cli.DaemonHost(), readTimeout)
}
