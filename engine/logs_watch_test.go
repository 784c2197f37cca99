package engine

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

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
	f.hubs.first, f.hubs.last, f.hubs.quiet = 5*time.Millisecond, 20*time.Millisecond, time.Hour
	c := f.writer("app", "", "lines", "-every", "10ms")
	fell := make(chan struct{})
	silence := silentOnce
	silence.After = func() { close(fell) }
	proxy.Inject(0, silence)
	first := f.tail(f.Engine, c.Name, api.LogsParams{})
	<-fell
	first.mu.Lock()
	had := len(first.lines)
	first.mu.Unlock()
	f.waitForLines(c.ID, had+10)
	second := f.tail(f.Engine, c.Name, api.LogsParams{})
	second.waitLines(had + 10)
	awaitStack(t, "(*hub).enter(")
	proxy.Refuse()
	for _, w := range []*tailer{first, second} {
		w.wait("a pause", func() bool { return slices.Equal(w.states, []string{api.StreamPaused}) })
	}
	proxy.Restore()
	for _, w := range []*tailer{first, second} {
		w.wait("the end of it", func() bool { return slices.Equal(w.states, []string{api.StreamPaused, api.StreamResumed}) })
		w.waitLines(had + 100)
		w.stop()
		<-w.done
		mustBeRun(t, w.lines)
	}
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
