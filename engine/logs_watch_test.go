package engine

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// silentOnce lets the next answer to a hub fall silent at its beginning, before
// any line that it looks for: an older engine may do so after a rotation.
var silentOnce = faults.Rule{Match: regexp.MustCompile("^GET /containers/[^/]+/logs.*follow=1"), Times: 1, Stall: 20}

// mustBeRun fails the test unless the lines are the probe's from 1 on.
func mustBeRun(t *testing.T, lines []api.Line) {
	t.Helper()
	for i, line := range lines {
		if n := number(t, line.Text); n != i+1 {
			t.Fatalf("line %d is %q", i+1, line.Text)
		}
	}
}

func TestALogThatFallsSilentWhileItsReaderLooksForItsPlaceIsAskedForAgain(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.hubs.first, f.hubs.last, f.hubs.quiet = 5*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
	c := f.writer("app", "", "lines", "-every", "10ms")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitLines(10)
	fell := make(chan struct{})
	silence := silentOnce
	silence.After = func() { close(fell) }
	proxy.Inject(0, silence)
	proxy.Cut()
	<-fell
	w.mu.Lock()
	before := len(w.lines)
	w.mu.Unlock()
	w.waitLines(before + 100)
	w.stop()
	<-w.done
	mustBeRun(t, w.lines)
	if w.gaps > 0 {
		t.Errorf("there were %d gaps", w.gaps)
	}
}

// A log that has nothing new is silent, too.
func TestALogThatIsQuietIsLeftAlone(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.hubs.quiet = 10 * time.Millisecond
	c := f.writer("app", "", "lines", "-n", "10", "-then", "wait")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitLines(10)
	looked, asked := make(chan struct{}, 1000), make(chan string, 100)
	looks := faults.Rule{Match: regexp.MustCompile("/logs.*tail=1(&|$)"), Before: func() { looked <- struct{}{} }}
	proxy.Inject(0, looks)
	<-looked // it is followed
	proxy.Inject(0, looks, faults.Rule{Match: silentOnce.Match, Hit: func(name string) { asked <- name }})
	for range 3 {
		<-looked
	}
	proxy.Inject(0)
	if len(asked) > 0 {
		t.Errorf("the log was asked for again: %s", <-asked)
	}
}

// Who has fallen behind reads to the end by itself, and then waits for the shared
// reader to get there. It learns that the engine is away as the others do.
func TestAFollowerThatWaitsForTheSharedReaderIsToldThatTheEngineIsAway(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	_, followers := f.pausedFollowers(proxy)
	proxy.Restore()
	for _, w := range followers {
		w.wait("the end of it", func() bool { return slices.Equal(w.states, []string{api.StreamPaused, api.StreamResumed}) })
		lines, _ := w.got()
		w.waitLines(len(lines) + 100)
		w.stop()
		<-w.done
		mustBeRun(t, w.lines)
	}
}

func TestAFollowerThatWaitsForTheSharedReaderEndsWithAContainerThatWasRemovedMeanwhile(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	c, followers := f.pausedFollowers(proxy)
	if err := f.docker.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	proxy.Restore()
	for _, w := range followers {
		if err := w.end(); err != nil {
			t.Errorf("a follower ended with %v", err)
		}
	}
	f.until("the network is gone", func() bool {
		_, err := f.docker.NetworkInspect(t.Context(), f.engineName(kindNetwork, c.Name), network.InspectOptions{})
		return errdefs.IsNotFound(err)
	})
}

// An engine that is ending, or what stands before it, takes connections and closes
// them. That is not the end of a log, which looks the same.
func TestAConnectionThatIsClosedInPlaceOfAnAnswerIsAnEngineThatIsAway(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	c := f.writer("app", "", "lines", "-n", "10", "-then", "wait")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitLines(10)
	f.waitForFollowers(c.ID, 1)
	proxy.Inject(0, faults.Rule{Match: regexp.MustCompile("^GET /containers/[^/]+/(logs|json)"), Lose: true})
	if err := f.docker.ContainerKill(t.Context(), c.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	w.wait("a pause", func() bool { return slices.Equal(w.states, []string{api.StreamPaused}) })
	proxy.Inject(0)
	w.wait("the end of it", func() bool { return slices.Equal(w.states, []string{api.StreamPaused, api.StreamResumed}) })
	if err := f.docker.ContainerStart(t.Context(), c.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	w.waitLines(20)
	lines, _ := w.got()
	mustBeRun(t, lines[:10])
	mustBeRun(t, lines[10:])
}

// An engine that is ending answers on the connections that it has when it takes no
// new one any more.
func TestAnEngineThatTakesNoNewConnectionIsNotBack(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.hubs.first, f.hubs.last = 5*time.Millisecond, 20*time.Millisecond
	c := f.writer("app", "", "lines", "-n", "10", "-then", "wait")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitLines(10)
	f.waitForFollowers(c.ID, 1)
	looked := make(chan string, 1000)
	proxy.Inject(0,
		faults.Rule{Match: regexp.MustCompile("^(GET|HEAD) /_ping"), Lose: true, Hit: func(name string) { looked <- name }},
		faults.Rule{Match: regexp.MustCompile("^GET /containers/[^/]+/logs"), Lose: true, Times: 4}) // net/http asks again by itself
	if err := f.docker.ContainerKill(t.Context(), c.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	w.wait("a pause", func() bool { return slices.Equal(w.states, []string{api.StreamPaused}) })
	for range 5 {
		<-looked
	}
	if states := w.seen(); len(states) != 1 {
		t.Errorf("the states are %v", states)
	}
	proxy.Inject(0)
	w.wait("the end of it", func() bool { return slices.Equal(w.states, []string{api.StreamPaused, api.StreamResumed}) })
}

func TestWhoWaitsForAHubToReadOnGoesWhenItHasEnded(t *testing.T) {
	var h hub
	h.init(ringLimit)
	h.setPaused(true)
	h.end(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	h.awaitResumed(ctx)
	if ctx.Err() != nil {
		t.Error("it waits for a hub that reads no more")
	}
}

// pausedFollowers gives two followers of a container's log that were told that the
// engine, behind the proxy, is away. The second one waited for the hub then.
func (f *fixture) pausedFollowers(proxy *enginetest.Proxy) (c api.Container, followers []*tailer) {
	f.t.Helper()
	f.hubs.first, f.hubs.last, f.hubs.quiet = 5*time.Millisecond, 20*time.Millisecond, time.Hour
	c = f.writer("app", "", "lines", "-every", "10ms")
	fell := make(chan struct{})
	silence := silentOnce
	silence.After = func() { close(fell) }
	proxy.Inject(0, silence)
	first := f.tail(f.Engine, c.Name, api.LogsParams{})
	<-fell
	lines, _ := first.got()
	f.waitForLines(c.ID, len(lines)+10)
	second := f.tail(f.Engine, c.Name, api.LogsParams{})
	second.waitLines(len(lines) + 10)
	awaitStack(f.t, "(*hub).enter(")
	proxy.Refuse()
	followers = []*tailer{first, second}
	for _, w := range followers {
		w.wait("a pause", func() bool { return slices.Equal(w.states, []string{api.StreamPaused}) })
	}
	return c, followers
}

// waitForLines waits until the engine has so many lines of a container.
func (f *fixture) waitForLines(id string, n int) {
	f.t.Helper()
	f.output(id, fmt.Sprintf("line %06d", n))
}

// awaitStack waits until a goroutine is in a function.
func awaitStack(t *testing.T, function string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for late := time.Now().Add(patience); time.Now().Before(late); runtime.Gosched() {
		if strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function) {
			return
		}
	}
	t.Fatalf("nobody is in %s", function)
}
