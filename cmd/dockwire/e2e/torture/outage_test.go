package torture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// What is promised of an engine that is away, and what a loaded machine is given
// beside it: the tests take what they measure down in the log.
const (
	allowedAnswer = 10 * time.Second // promised are 2 s
	allowedNotice = time.Minute      // promised are 10 s
)

// outage is a way in which an engine can be away for a while.
type outage struct {
	name   string
	begins func(*engine)
	ends   func(*engine)
	breaks bool // what runs at the engine ends with it
}

var outages = []outage{
	{name: "hangs", begins: (*engine).freeze, ends: (*engine).thaw},
	{name: "is killed", begins: func(e *engine) { e.kill() }, ends: func(e *engine) { e.start() }, breaks: true},
	{name: "is restarted", begins: (*engine).terminate, ends: func(e *engine) { e.start() }, breaks: true},
	{name: "is killed, and its containers live on", begins: func(e *engine) { e.kill() }, ends: func(e *engine) { e.start("--live-restore") }, breaks: true},
	{name: "is restarted, and its containers live on", begins: (*engine).terminate, ends: func(e *engine) { e.start("--live-restore") }, breaks: true},
}

// storm is an engine that goes away again and again while it has much to do.
type storm struct {
	*testing.T
	*daemon
	engine    *engine
	urls      []string // of builds that take long, each its own: the engine does equal steps once
	followers []*follower
	worst     map[string]time.Duration // what took longest, by what it was
}

// TestStreamsGoOnAfterTheEngineWasAway lets the engine die and hang under
// followers, builds and apps. Every stream goes on, or ends, and no call hangs.
func TestStreamsGoOnAfterTheEngineWasAway(t *testing.T) {
	s := &storm{T: t, engine: startEngine(t, ""), worst: map[string]time.Duration{}}
	s.daemon = s.engine.startDaemon("--builds", fmt.Sprint(scale().builds))
	t.Cleanup(s.engine.tell)
	c := s.client()
	build(t, c, "server", "EXPOSE 8080\nCMD [\"serve\"]\n")
	build(t, c, "writer", "CMD [\"lines\", \"-every\", \"20ms\"]\n")
	git := gittest.NewServer(t)
	for n := range scale().builds {
		s.urls = append(s.urls, repository(t, git, fmt.Sprintf("slow%d", n), "RUN [\"/probe\", \"lines\", \"-every\", \"20ms\"]\n"))
	}
	must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "server", Name: "server"}))
	for n := range scale().apps {
		must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "writer", Name: writer(n), Port: ptr(0)}))
	}
	for n := range scale().followers {
		s.followers = append(s.followers, s.follow(writer(n%scale().apps)))
	}
	t.Cleanup(s.tell)
	for _, f := range s.followers {
		f.await(1)
	}
	s.serves("server.localhost", http.StatusOK)
	for n := range scale().outages {
		o := outages[(n+int(*seed))%len(outages)]
		s.pass(o)
		if t.Failed() {
			t.Fatalf("that was outage %d: the engine %s", n+1, o.name)
		}
	}
	s.nothingLostOrDoubled()
	t.Logf("%d outages under %d followers and %d builds; longest: %v", scale().outages, scale().followers, scale().builds, s.worst)
}

func writer(n int) string { return fmt.Sprintf("writer%d", n) }

// measure keeps the longest time of its kind, and fails the test when that is
// more than is allowed on a loaded machine.
func (s *storm) measure(what string, took, allowed time.Duration) {
	s.Helper()
	s.worst[what] = max(s.worst[what], took)
	if took > allowed {
		s.Errorf("%s took %v, allowed are %v", what, took, allowed)
	}
}

// pass is one outage, from its begin to when all goes on.
func (s *storm) pass(o outage) {
	s.Helper()
	builds := s.startBuilds()
	for _, f := range s.followers {
		f.forgetStates()
	}
	began, returns := time.Now(), s.returns()
	o.begins(s.engine)
	for _, f := range s.followers {
		f.awaitState(api.StreamPaused)
	}
	s.measure("until all streams said paused", time.Since(began), allowedNotice)
	if o.breaks {
		s.awaitBuilds(builds)
		s.measure("until all builds had ended", time.Since(began), allowedNotice)
	}
	s.whileAway()

	o.ends(s.engine)
	back := time.Now()
	for _, f := range s.followers {
		f.awaitState(api.StreamResumed)
	}
	s.measure("until all streams said resumed", time.Since(back), allowedNotice)
	s.allRun()
	for _, f := range s.followers {
		f.await(f.count() + 1)
		if states := f.states(); !pauses(states, s.returns()-returns) {
			s.Errorf("while the engine %s, and came back %d times, a follower was told %q", o.name, s.returns()-returns, states)
		}
	}
	s.cancelBuilds()
	s.awaitBuilds(builds)
	s.serves("server.localhost", http.StatusOK)
}

// returns gives how often the daemon has found its engine. One that is ending may
// be gone, and answer again for a moment.
func (s *storm) returns() int {
	return len(s.lines(func(line string) bool { return strings.Contains(line, `"the engine answers"`) }))
}

// pauses says whether the states are those of one pause at least, and of no more
// than so many.
func pauses(states []string, most int) bool {
	for i, state := range states {
		if state != []string{api.StreamPaused, api.StreamResumed}[i%2] {
			return false
		}
	}
	return len(states)%2 == 0 && len(states) > 0 && len(states) <= 2*most
}

// whileAway sees what callers, the ingress and whoever looks after the daemon
// are told while the engine is away.
func (s *storm) whileAway() {
	s.Helper()
	c := s.client()
	defer c.Close()
	ctx := s.Context()
	for what, call := range map[string]func() error{
		"list":    func() error { _, err := c.List(ctx); return err },
		"inspect": func() error { _, err := c.Inspect(ctx, "server"); return err },
		"logs":    func() error { _, err := c.Logs(ctx, "server", api.LogsParams{}); return err },
		"top":     func() error { _, err := c.Top(ctx, "server"); return err },
		"stop":    func() error { _, err := c.Stop(ctx, "server", api.StopParams{}); return err },
		"create":  func() error { _, err := c.Create(ctx, api.CreateParams{Image: "server", Name: "another"}); return err },
	} {
		begin := time.Now()
		if err := call(); !errors.Is(err, api.CodeUnavailable) {
			s.Errorf("%s answered %v, want %d", what, err, api.CodeUnavailable)
		}
		s.measure("until a call was answered", time.Since(begin), allowedAnswer)
	}
	if status, body := s.get("/healthz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "engine") {
		s.Errorf("/healthz says %d %s", status, body)
	}
	if _, body := s.get("/metrics"); !strings.Contains(body, "dockwire_engine_up 0") {
		s.Error("/metrics says that the engine is up")
	}
	if status := s.fetch("nobody.localhost"); status != http.StatusServiceUnavailable {
		s.Errorf("the ingress answers %d for a host that nobody knows at the moment", status)
	}
	if status := s.fetch("server.localhost"); status == http.StatusNotFound {
		s.Error("the ingress has forgotten a container")
	}
}

// startBuilds starts builds that have no end, and gives where their ends come.
func (s *storm) startBuilds() []chan error {
	s.Helper()
	var ends []chan error
	for n, url := range s.urls {
		c, end, begun := s.client(), make(chan error, 1), make(chan struct{}, 1)
		go func() {
			defer c.Close()
			_, err := c.Build(context.WithoutCancel(s.Context()), api.BuildParams{Name: fmt.Sprintf("slow%d", n), URL: url}, func(out api.Output) {
				if slices.ContainsFunc(out.Lines, func(l api.Line) bool { return strings.HasPrefix(l.Text, "line ") }) {
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
			end <- err
		}()
		select {
		case <-begun:
		case err := <-end:
			s.Fatalf("a build ended: %v", err)
		case <-time.After(patience):
			s.Fatal("a build does not begin")
		}
		ends = append(ends, end)
	}
	return ends
}

func (s *storm) cancelBuilds() {
	s.Helper()
	c := s.client()
	defer c.Close()
	for _, info := range must[[]api.BuildInfo](s)(c.Builds(s.Context())) {
		if info.State == api.BuildRunning {
			must[api.BuildInfo](s)(c.CancelBuild(s.Context(), info.ID))
		}
	}
}

func (s *storm) awaitBuilds(ends []chan error) {
	s.Helper()
	for _, end := range ends {
		select {
		case err := <-end:
			if !errors.Is(err, api.CodeUnavailable) && !errors.Is(err, api.CodeCancelled) && !errors.Is(err, api.CodeBuildFailed) {
				s.Errorf("a build ended with %v", err)
			}
			end <- err
		case <-time.After(patience):
			s.Fatal("a build does not end")
		}
	}
}

// allRun waits until the apps that the engine took down with it run again. One
// that died and finds its containers alive stops them, and takes that for the
// wish of a user: these are started here.
func (s *storm) allRun() {
	s.Helper()
	c := s.client()
	defer c.Close()
	eventually(s, patience, func() error {
		for _, container := range must[[]api.Container](s)(c.List(s.Context())) {
			if container.State == api.StateExited {
				c.Start(s.Context(), container.Name)
			}
			if container.State != api.StateRunning {
				return fmt.Errorf("%s is %s", container.Name, container.State)
			}
		}
		return nil
	})
}

// TestADaemonStartsWithoutItsEngine starts it with the engine dead, and then
// lets that live.
func TestADaemonStartsWithoutItsEngine(t *testing.T) {
	e := startEngine(t, "")
	e.terminate()
	d := e.startDaemon()
	c := d.client()
	if _, err := c.List(t.Context()); !errors.Is(err, api.CodeUnavailable) {
		t.Errorf("list answered %v", err)
	}
	if status, _ := d.get("/healthz"); status != http.StatusServiceUnavailable {
		t.Errorf("/healthz says %d", status)
	}
	if status := d.fetch("app.localhost"); status != http.StatusServiceUnavailable {
		t.Errorf("the ingress answers %d", status)
	}
	e.start()
	took := eventually(t, patience, func() error {
		_, err := c.List(t.Context())
		return err
	})
	t.Logf("the daemon had found its engine after %v", took)
	if status, _ := d.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz says %d", status)
	}
	if status := d.fetch("app.localhost"); status != http.StatusNotFound {
		t.Errorf("the ingress answers %d", status)
	}
}
