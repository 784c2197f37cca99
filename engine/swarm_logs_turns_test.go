package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// madeUpSwarm gives a Swarm before a made-up manager with so many services.
func madeUpSwarm(t *testing.T, services int) (*Swarm, *enginetest.Manager) {
	t.Helper()
	m := enginetest.NewManager(t, "turns", "1.51", services, 1, "127.0.0.1:1")
	return runSwarm(t, Config{Host: m.Socket, Instance: "turns"}), m
}

// runSwarm runs a Swarm until the test ends.
func runSwarm(t *testing.T, cfg Config) *Swarm {
	t.Helper()
	cfg.Firewall, cfg.Log, cfg.TempDir = FirewallOff, zaptest.NewLogger(t), t.TempDir()
	cfg.Swarm.Registry, cfg.Swarm.LogDir = "registry.example.com:5000", t.TempDir()
	s, err := NewSwarm(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.logs.places = 3
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
		s.Close()
	})
	return s
}

// comesToBe waits for what should come.
func comesToBe(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

func TestLogsBeyondThePlacesTakeTurnsAndLoseNoLine(t *testing.T) {
	const services, lines = 10, 30
	s, m := madeUpSwarm(t, services)
	comesToBe(t, "as many are followed as there are places", func() bool { return m.Followed() == 3 })
	for line := range lines {
		for service := range services {
			m.Write(service, fmt.Sprint("line ", line))
		}
		if line%10 == 0 {
			s.logs.takePlaces(time.Now().Add(longestTurn)) // they have had them long enough
		}
	}
	for service := range services {
		name := fmt.Sprint("app", service)
		answer, err := s.Logs(t.Context(), name, api.LogsParams{})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Lines) != lines {
			comesToBe(t, name+" has all its lines", func() bool {
				answer, err = s.Logs(t.Context(), name, api.LogsParams{})
				return err != nil || len(answer.Lines) == lines
			})
		}
		for n, line := range answer.Lines {
			if line.Text != fmt.Sprint("line ", n) || line.Replica != 1 {
				t.Errorf("line %d of %s is %+v", n, name, line)
			}
		}
	}
	if n := m.Followed(); n > 3 {
		t.Errorf("%d are followed", n)
	}
}

func TestAFollowedLogKeepsItsPlaceAndIsOneMore(t *testing.T) {
	s, m := madeUpSwarm(t, 5)
	comesToBe(t, "all places are taken", func() bool { return s.Up() && m.Followed() == 3 })
	waits := ""
	for _, r := range s.state.list() {
		if s.logs.turnOf(s.logs.get(r)) == nil {
			waits = r.Name
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var service int
	fmt.Sscanf(waits, "app%d", &service)
	m.Write(service, "before")
	var texts []string
	for chunk, err := range s.FollowLogs(ctx, waits, api.LogsParams{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range chunk.Lines {
			line, err := parseLine(raw)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, line.Text)
		}
		if len(texts) == 1 {
			if n := m.Followed(); n != 4 {
				t.Errorf("%d are followed", n)
			}
			s.logs.takePlaces(time.Now().Add(longestTurn + time.Second))
			m.Write(service, "after")
		}
		if len(texts) == 2 {
			break
		}
	}
	if fmt.Sprint(texts) != "[before after]" {
		t.Errorf("it has the lines %q", texts)
	}
	comesToBe(t, "there are no more followed than places", func() bool {
		s.logs.takePlaces(time.Now().Add(longestTurn + time.Second))
		return m.Followed() <= 3
	})
}
