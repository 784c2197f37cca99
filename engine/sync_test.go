package engine

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestTheStateIsFoundAgainByANewEngine(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web"), Domain: "web.example.com", Network: "shared", Port: ptr(0)}
	c := f.create(p)
	again := f.run(f.cfg)
	all, err := again.Containers(t.Context())
	if err != nil || !slices.Equal(all, []api.Container{c}) {
		t.Fatalf("it found %+v, %v, want %+v", all, err, c)
	}
	if !again.Up() {
		t.Error("it is not up")
	}
	if _, err := again.Remove(t.Context(), c.Name, false); err != nil {
		t.Error(err)
	}
	f.until("the removal at the other engine", func() bool { _, known := f.Container(c.Name); return !known })
	f.mustBeClean()
}

func TestWhatIsDoneBehindOurBackIsSeenAtOnce(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Restart: "no"})
	is := func(state string) func() bool {
		return func() bool { now, _ := f.Container(c.Name); return now.State == state }
	}
	ctx := t.Context()
	for _, step := range []struct {
		state string
		do    func() error
	}{
		{api.StatePaused, func() error { return f.docker.ContainerPause(ctx, c.ID) }},
		{api.StateRunning, func() error { return f.docker.ContainerUnpause(ctx, c.ID) }},
		{api.StateExited, func() error { return f.docker.ContainerKill(ctx, c.ID, "KILL") }},
		{api.StateRunning, func() error { return f.docker.ContainerStart(ctx, c.ID, container.StartOptions{}) }},
		{"", func() error { return f.docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}) }},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		f.until("state "+step.state, is(step.state))
		t.Logf("%q was seen after %v", step.state, time.Since(begin))
	}
	changes, _, whole := f.Changes(1)
	if last := changes[len(changes)-1]; whole || last.ID != c.ID || last.State != api.StateRemoved {
		t.Errorf("the last change is %+v", last)
	}
}

func TestAContainerThatIsRenamedIsNotOursAnyMore(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web")})
	if err := f.docker.ContainerRename(t.Context(), c.ID, f.name("renamed")); err != nil {
		t.Fatal(err)
	}
	f.until("the renaming", func() bool { _, known := f.Container(c.Name); return !known })
	if _, known := f.Container(f.name("renamed")); known {
		t.Error("it is ours under its new name")
	}
}

func TestTheStateComesBackAfterTheConnectionWasLost(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	image := f.build("game")
	stays, goes := f.create(api.CreateParams{Image: image, Name: f.name("stays")}), f.create(api.CreateParams{Image: image, Name: f.name("goes")})
	proxy.Refuse()
	f.until("the loss", func() bool { return !f.Up() })
	if _, known := f.Container(stays.Name); !known {
		t.Error("a container is forgotten while the engine is away")
	}
	_, err := f.Stop(t.Context(), stays.Name, nil)
	if known := wantClass(t, err, Unavailable, ""); known.Data.Outcome != api.OutcomeNone {
		t.Errorf("the outcome is %q", known.Data.Outcome)
	}
	if err := f.docker.ContainerRemove(t.Context(), goes.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	proxy.Restore()
	f.until("the return", f.Up)
	if _, known := f.Container(goes.Name); known {
		t.Error("what was removed meanwhile is still known")
	}
	if _, err := f.docker.NetworkInspect(t.Context(), f.engineName(kindNetwork, goes.Name), network.InspectOptions{}); err == nil {
		t.Error("the network of what was removed meanwhile is still there")
	}
	f.remove(stays.Name, false)
	f.mustBeClean()
}

func TestAChangeThatLosesItsConnectionHasAnUnknownOutcome(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web")})
	_, err := f.changeMembers(t.Context(), c.Name, 0, func(ctx context.Context, members []*record) error {
		proxy.CutRequests()
		return f.wrapMutation(f.cli.ContainerStop(ctx, members[0].ID, container.StopOptions{}), kindContainer, c.Name, "%s could not be stopped", c.Name)
	})
	if known := wantClass(t, err, Unavailable, c.Name); known.Data.Outcome != api.OutcomeUnknown {
		t.Errorf("the outcome is %q", known.Data.Outcome)
	}
	proxy.Refuse()
	_, err = f.cli.ContainerCreate(t.Context(), &container.Config{}, nil, nil, nil, "")
	if known := wantClass(t, f.wrapMutation(err, kindContainer, "x", "it failed"), Unavailable, ""); known.Data.Outcome != api.OutcomeNone {
		t.Errorf("the outcome of what was never sent is %q", known.Data.Outcome)
	}
	proxy.Restore()
	f.until("the return", f.Up)
}

// awaitQueue waits until somebody waits for the key's lock.
func (l *locks) awaitQueue(t *testing.T, key string) {
	for late := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		w := l.held[key]
		waited := w != nil && w.users > 1
		l.mu.Unlock()
		if waited {
			return
		}
		if time.Now().After(late) {
			t.Error("nobody waits for", key)
			return
		}
	}
}

// An engine that hangs leaves all connections as they are.
func TestWhoWaitsForTheEngineLearnsThatItFellSilent(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	c := f.writer("web", "", "lines", "-every", "20ms")
	log := f.tail(f.Engine, c.Name, api.LogsParams{})
	log.waitLines(1)
	next := f.updates(c.Name)
	if update, err, _ := next(); err != nil || update.State != "" {
		t.Fatalf("the first update is %+v (%v)", update, err)
	}
	queued := make(chan error, 1)
	_, err := f.changeMembers(t.Context(), c.Name, 0, func(ctx context.Context, members []*record) error {
		go func() { _, err := f.Stop(t.Context(), c.Name, nil); queued <- err }()
		f.mutating.awaitQueue(t, kindContainer+" "+c.Name)
		proxy.Silence()
		_, err := f.cli.ContainerInspect(ctx, members[0].ID)
		return f.wrapMutation(err, kindContainer, c.Name, "%s could not be changed", c.Name)
	})
	if known := wantClass(t, err, Unavailable, "does not answer any more"); known.Data.Outcome != api.OutcomeUnknown {
		t.Errorf("the outcome is %q", known.Data.Outcome)
	}
	if known := wantClass(t, <-queued, Unavailable, "does not answer any more"); known.Data.Outcome != api.OutcomeNone {
		t.Errorf("the outcome of what was in the queue is %q", known.Data.Outcome)
	}
	log.wait("the log's pause", func() bool { return slices.Equal(log.states, []string{api.StreamPaused}) })
	await := func(state string) {
		t.Helper()
		for {
			if update, err, more := next(); err != nil || !more || update.State != "" {
				if update.State != state {
					t.Errorf("the usage says %q (%v), want %q", update.State, err, state)
				}
				return
			}
		}
	}
	await(api.StreamPaused)
	proxy.Restore()
	await(api.StreamResumed)
	log.wait("the log's return", func() bool { return slices.Equal(log.states, []string{api.StreamPaused, api.StreamResumed}) })
	f.until("the return", f.Up)
}

func TestAnEngineThatIsNotThereIsToldApart(t *testing.T) {
	dir := t.TempDir()
	for socket, want := range map[string]string{
		"unix://" + filepath.Join(dir, "none.sock"): "install or start it",
		"tcp://127.0.0.1:1":                         "nothing listens",
	} {
		e, err := New(Config{Instance: "test", Host: socket})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if known := wantClass(t, e.Check(t.Context()), Unavailable, want); known.Data.Outcome != api.OutcomeNone {
			t.Errorf("the outcome is %q", known.Data.Outcome)
		}
		_, err = e.Containers(t.Context())
		wantClass(t, err, Unavailable, "")
	}
}

func TestNetworksWithoutTheirContainerAreRemovedAtAConnect(t *testing.T) {
	f := setUp(t)
	if err := f.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, b := range []bridge{{kind: kindNetwork, name: "lost"}, {kind: kindShared, name: "empty"}} {
		if err := f.createNetwork(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	again := f.run(f.cfg)
	if _, err := again.Containers(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.mustBeClean()
}

func TestAnEngineThatEndedLeavesNoGoroutine(t *testing.T) {
	enginetest.Client(t)
	before := runtime.NumGoroutine()
	e, err := New(Config{Instance: "test-ends"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	waitFor(t, e, patience, "the connect", e.Up)
	cancel()
	if err := errors.Join(<-ended, e.Close()); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestACancelTakesAChangeOutOfTheQueueOnly(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web")})
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	first := make(chan error)
	go func() {
		first <- f.change(ctx, c.Name, 0, func(ctx context.Context) error { close(began); cancel(); return ctx.Err() })
	}()
	<-began
	if err := <-first; err != nil {
		t.Errorf("a change that had begun was cancelled: %v", err)
	}
	if _, err := f.Stop(ctx, c.Name, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a change that had not begun gave %v", err)
	}
	if now, _ := f.Container(c.Name); now.State != api.StateRunning {
		t.Errorf("it is %s", now.State)
	}
}

func TestHintsOfOneThingAreTakenOneByOne(t *testing.T) {
	var h hints
	var looks, atOnce atomic.Int32
	enter, leave := make(chan struct{}), make(chan struct{})
	look := func(string) {
		if atOnce.Add(1) > 1 {
			t.Error("two looks at once")
		}
		if looks.Add(1) == 1 {
			close(enter)
			<-leave
		}
		atOnce.Add(-1)
	}
	h.give("1", look)
	<-enter
	for range 5 {
		h.give("1", look)
	}
	close(leave)
	h.wait()
	if looks.Load() != 2 {
		t.Errorf("%d looks, want the first and one for those that came meanwhile", looks.Load())
	}
}
