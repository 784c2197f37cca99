package engine

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// learned is how soon a caller has to learn that a manager hangs: it is noticed
// after six seconds, and the test's own machine may be slow.
const learned = 15 * time.Second

func TestWhoWaitsForAManagerLearnsThatItFellSilent(t *testing.T) {
	m := enginetest.NewManager(t, "silent", "1.51", 2, 1, "127.0.0.1:1")
	p := enginetest.NewProxyOf(t, m.Socket)
	s := runSwarm(t, Config{Host: p.Socket(), Instance: "silent"})
	comesToBe(t, "the manager answers", s.Up)
	began, queued := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(queued) })
	defer goOn()
	p.Inject(0, faults.Rule{Match: regexp.MustCompile(`^GET /services/service`), Times: 1, Before: func() {
		close(began)
		<-queued
		p.Silence()
	}})
	outcomes := make(chan string, 2)
	scale := func() {
		_, err := s.Scale(t.Context(), "app0", 2)
		var known *Error
		if !errors.As(err, &known) || known.Class != Unavailable {
			t.Errorf("a change of one at a silent manager gave %v", err)
			outcomes <- ""
			return
		}
		outcomes <- known.Data.Outcome
	}
	waits := s.mutating.join("app0") // so that we see who else does
	defer s.mutating.leave("app0")
	go scale()
	<-began
	go scale()
	comesToBe(t, "the other waits", func() bool {
		s.mutating.mu.Lock()
		defer s.mutating.mu.Unlock()
		return waits.users == 3
	})
	goOn()
	got := map[string]int{}
	late := time.After(learned)
	for range 2 {
		select {
		case outcome := <-outcomes:
			got[outcome]++
		case <-late:
			t.Fatalf("after %v only %v was answered", learned, got)
		}
	}
	if got[api.OutcomeUnknown] != 1 || got[api.OutcomeNone] != 1 {
		t.Errorf("the outcomes are %v", got)
	}
	p.Restore()
	comesToBe(t, "the manager answers again", s.Up)
}

func TestAManagerThatIsDemotedIsLeftForTheNext(t *testing.T) {
	first := enginetest.NewManager(t, "demoted", "1.51", 1, 1, "127.0.0.1:1")
	second := enginetest.NewManager(t, "demoted", "1.51", 2, 1, "127.0.0.1:1")
	s := runSwarm(t, Config{Host: first.Socket, Instance: "demoted", Swarm: SwarmConfig{Managers: []string{second.Socket}}})
	services := func(n int) func() bool {
		return func() bool {
			all, err := s.Containers(t.Context())
			return err == nil && len(all) == n
		}
	}
	comesToBe(t, "the first is used", services(1))
	first.Worker.Store(true)
	comesToBe(t, "the second is used", services(2))
	second.Worker.Store(true)
	comesToBe(t, "calls are told why none is", func() bool {
		_, err := s.Containers(t.Context())
		return classOf(err) == Unavailable && strings.Contains(err.Error(), "is a worker of its swarm: give the address of a manager")
	})
	first.Worker.Store(false)
	comesToBe(t, "the first is used again", services(1))
}

func TestThatNoManagerCanBeUsedIsSaidOnce(t *testing.T) {
	m := enginetest.NewManager(t, "leaderless", "1.51", 1, 1, "127.0.0.1:1")
	p := enginetest.NewProxyOf(t, m.Socket)
	var asked atomic.Int64
	p.Inject(0, faults.Rule{Match: regexp.MustCompile(`^GET /nodes`), Fail: true, Hit: func(string) { asked.Add(1) }})
	core, logged := observer.New(zap.WarnLevel)
	runSwarm(t, Config{Host: p.Socket(), Instance: "leaderless", Log: zap.New(core)})
	comesToBe(t, "it was tried again and again", func() bool { return asked.Load() > 10 })
	if n := logged.FilterMessage("no manager of the swarm can be used").Len(); n > 3 {
		t.Errorf("it was said %d times", n)
	}
}

func TestTopDoesNotWaitForASwarmThatIsAway(t *testing.T) {
	m := enginetest.NewManager(t, "top", "1.51", 1, 1, "127.0.0.1:1")
	p := enginetest.NewProxyOf(t, m.Socket)
	s := runSwarm(t, Config{Host: p.Socket(), Instance: "top"})
	comesToBe(t, "the manager answers", s.Up)
	p.Inject(0, faults.Rule{Match: regexp.MustCompile(`^GET /containers/.*/stats`), Times: 1, After: func() { s.state.setUp(false) }})
	ctx, cancel := context.WithTimeout(t.Context(), learned)
	defer cancel()
	if usage, err := s.Top(ctx, "app0"); classOf(err) != Unavailable {
		t.Errorf("top answered %+v, %v", usage, err)
	}
}

func TestWhatANodeHasNoMoreIsNoMissingService(t *testing.T) {
	m := enginetest.NewManager(t, "moved", "1.51", 1, 1, "127.0.0.1:1") // it has no containers
	s := runSwarm(t, Config{Host: m.Socket, Instance: "moved"})
	comesToBe(t, "the manager answers", s.Up)
	_, err := s.Diff(t.Context(), "app0", "")
	if classOf(err) != NotRunning || !strings.Contains(err.Error(), "replica 1 of app0 is not on the node node0 any more") {
		t.Errorf("diff gave %v", err)
	}
}

func TestALookThatBeganBeforeARemoveDoesNotBringTheServiceBack(t *testing.T) {
	m := enginetest.NewManager(t, "stale", "1.51", 2, 1, "127.0.0.1:1")
	p := enginetest.NewProxyOf(t, m.Socket)
	s := runSwarm(t, Config{Host: p.Socket(), Instance: "stale"})
	comesToBe(t, "the manager answers", s.Up)
	read, put := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(put) })
	defer goOn()
	p.Inject(0, faults.Rule{Match: regexp.MustCompile(`^GET /tasks`), Times: 1, Before: func() { // the services were told of
		close(read)
		<-put
	}})
	<-read
	removed := make(chan error, 1)
	go func() {
		_, err := s.Remove(t.Context(), "app1", false)
		removed <- err
	}()
	select {
	case err := <-removed:
		goOn()
		t.Errorf("remove answered %v while who looks knows of the service", err)
		<-time.After(settleEvery)
	case <-time.After(2 * settleEvery):
		goOn()
		if err := <-removed; err != nil {
			t.Fatal(err)
		}
	}
	if _, known := s.state.get("app1"); known {
		t.Error("the service is back")
	}
}
