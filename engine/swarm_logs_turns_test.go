package engine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/journal"
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
	cfg.Firewall, cfg.TempDir = FirewallOff, t.TempDir()
	if cfg.Log == nil {
		cfg.Log = zaptest.NewLogger(t)
	}
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

// copiedLog gives a Swarm whose one service has written so many lines, all of
// which are copied, and their times.
func copiedLog(t *testing.T, lines int) (s *Swarm, times []string) {
	t.Helper()
	s, m := madeUpSwarm(t, 1)
	comesToBe(t, "the manager answers", s.Up)
	for n := range lines {
		m.Write(0, fmt.Sprint("line ", n))
	}
	comesToBe(t, "all lines are copied", func() bool {
		answer, err := s.Logs(t.Context(), "app0", api.LogsParams{})
		times = nil
		for _, line := range answer.Lines {
			times = append(times, line.Time.Format(time.RFC3339Nano))
		}
		return err == nil && len(times) == lines
	})
	return s, times
}

func TestWhatUntilLeavesOutIsStillToCome(t *testing.T) {
	s, times := copiedLog(t, 10)
	first, err := s.Logs(t.Context(), "app0", api.LogsParams{Until: times[4]})
	if err != nil || len(first.Lines) != 4 || first.Gap || first.Truncated {
		t.Fatalf("until the fifth line there are %+v, %v", first, err)
	}
	rest, err := s.Logs(t.Context(), "app0", api.LogsParams{After: first.Cursor})
	if err != nil || len(rest.Lines) != 6 || rest.Lines[0].Text != "line 4" || rest.Gap {
		t.Errorf("after these there are %+v, %v", rest, err)
	}
}

func TestTailCountsWhatIsWantedAfterACursorToo(t *testing.T) {
	s, times := copiedLog(t, 10)
	first, err := s.Logs(t.Context(), "app0", api.LogsParams{Until: times[2]})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Logs(t.Context(), "app0", api.LogsParams{After: first.Cursor, Grep: "line", Tail: api.TailLines(3)})
	if err != nil || len(answer.Lines) != 3 || answer.Lines[0].Text != "line 7" || answer.Gap {
		t.Errorf("the last three lines after the cursor are %+v, %v", answer, err)
	}
}

func TestTruncatedIsOnlyWhatTailWants(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Remove()
	for n := range 20 {
		line := api.Line{Time: api.Time{Time: testEpoch}, Stream: api.Stdout, Text: strings.Repeat("x", api.MaxLine)}
		if n >= 15 {
			line.Text = "x"
		}
		if err := j.Append(append(line.AppendJSON(nil), '\n')); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		tail      api.Tail
		lines     int
		truncated bool
	}{{api.TailLines(5), 5, false}, {api.TailLines(12), 12, false}, {api.TailLines(13), 12, true}, {api.Tail{}, 12, true}} {
		q := &copyQuery{logFilter: logFilter{stream: fromStdout}, journal: j}
		if q.reader, err = j.Reader(0); err != nil {
			t.Fatal(err)
		}
		lines, truncated, err := q.newest(c.tail)
		q.reader.Close()
		if err != nil || len(lines) != c.lines || truncated != c.truncated {
			t.Errorf("of %v there are %d, truncated %v, %v", c.tail, len(lines), truncated, err)
		}
	}
}

func TestALogIsFollowedAtOnceWhenAManagerIsThereAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSwarm(Config{Host: "unix:///nosuch.sock", Instance: "turns", TempDir: t.TempDir(), Swarm: SwarmConfig{Registry: "registry.example.com:5000", LogDir: t.TempDir()}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		s.logs.ctx = ctx
		r := testService(1, false)
		r.ID = "service"
		s.keepLog(r)
		time.Sleep(time.Minute) // there is none for so long
		s.session.Store(&session{ctx, s.managers[0]})
		s.state.setUp(true)
		synctest.Wait()
		log := s.logs.get(r)
		log.opening.Lock()
		begun := log.journal != nil
		log.opening.Unlock()
		if !begun {
			t.Error("nobody copies it yet")
		}
		cancel()
		s.logs.close()
		s.Close()
	})
}

func TestLinesThatCouldNotBeKeptAreAskedForAgain(t *testing.T) {
	core, said := observer.New(zap.WarnLevel)
	m := enginetest.NewManager(t, "turns", "1.51", 1, 1, "127.0.0.1:1")
	s := runSwarm(t, Config{Host: m.Socket, Instance: "turns", Log: zap.New(core)})
	comesToBe(t, "its log is followed", func() bool { return m.Followed() == 1 })
	r, _ := s.state.get("app0")
	log := s.logs.get(r)
	away := log.dir + ".away"
	if err := os.Rename(log.dir, away); err != nil { // as if the disk were full
		t.Fatal(err)
	}
	m.WriteAt(0, time.Now().Add(-time.Hour), "old")
	m.Write(0, "new")
	heard := log.heard.Load()
	comesToBe(t, "it was tried", func() bool { return log.heard.Load() > heard })
	comesToBe(t, "it is told", func() bool {
		return said.FilterMessageSnippet("is not copied").FilterField(zap.String("name", "app0")).Len() > 0
	})
	if err := os.Rename(away, log.dir); err != nil {
		t.Fatal(err)
	}
	var answer api.LogsResult
	comesToBe(t, "the log has a line", func() (ok bool) {
		answer, _ = s.Logs(t.Context(), "app0", api.LogsParams{})
		return len(answer.Lines) > 0
	})
	if len(answer.Lines) != 2 || answer.Lines[0].Text != "old" {
		t.Errorf("there are %+v", answer.Lines)
	}
}
