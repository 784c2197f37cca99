//go:build swarm

package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"go.uber.org/zap/zaptest"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// swarmFixture is a Swarm of a test's own, on real engines.
type swarmFixture struct {
	*Swarm
	t       *testing.T
	engines *enginetest.Swarm
	git     *gittest.Server
}

func setUpSwarm(t *testing.T, engines *enginetest.Swarm) *swarmFixture {
	t.Helper()
	random := make([]byte, 4)
	rand.Read(random)
	f := &swarmFixture{t: t, engines: engines, git: gittest.NewServer(t)}
	cfg := Config{Host: engines.Nodes[0].Socket, Instance: "test-" + hex.EncodeToString(random), Base: "test.localhost", Firewall: FirewallOff, Log: zaptest.NewLogger(t), UpdateTime: 10 * time.Second,
		AllowGit: []string{"127.0.0.1"}, TempDir: t.TempDir(), Swarm: SwarmConfig{
			Registry: engines.Registry, LogDir: t.TempDir(), NodeAPI: "tcp://{address}:2376",
			NodeCA: engines.TLS.CA, NodeCert: engines.TLS.Cert, NodeKey: engines.TLS.Key,
		}}
	for _, n := range engines.Nodes[1:] {
		cfg.Swarm.Managers = append(cfg.Swarm.Managers, n.Socket)
	}
	var err error
	if f.Swarm, err = NewSwarm(cfg); err != nil {
		t.Fatal(err)
	}
	f.logs.places = 1 // so that they take turns
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		f.cleanUp()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
		f.Close()
	})
	return f
}

func (f *swarmFixture) cleanUp() {
	f.until("a manager answers", f.Up)
	for _, c := range containersOf(f.state.list()) {
		if _, err := f.Remove(context.Background(), c.Name, true); err != nil {
			f.t.Errorf("remove %s: %v (%v)", c.Name, err, errors.Unwrap(err))
		}
	}
}

func (f *swarmFixture) until(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		changed := f.state.next()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-time.After(settleEvery): // what is no change of a container is not told
		case <-deadline:
			f.t.Fatalf("it does not come to be that %s", what)
		}
	}
}

// silent takes a build's output, which nobody wants.
type silent struct{}

func (silent) Line(string, string) {}
func (silent) Commit(string)       {}

// build builds an image of the probe, and gives its commit.
func (f *swarmFixture) build(name string, instructions ...string) string {
	f.t.Helper()
	dockerfile := "FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\n" + strings.Join(instructions, "\n") + "\n"
	r := f.git.Repo(name+hex.EncodeToString([]byte(rand.Text()[:4])), nil)
	r.Write("probe", string(enginetest.ProgramFor(f.t, f.engines.Nodes[0].Client())), 0o755)
	r.Commit(map[string]string{"Dockerfile": dockerfile})
	p, err := f.CheckBuild(api.BuildParams{Name: name, URL: r.URL})
	if err != nil {
		f.t.Fatal(err)
	}
	built, err := f.Build(f.t.Context(), p, "test", silent{})
	if err != nil {
		f.t.Fatalf("build %s: %v (%v)", name, err, errors.Unwrap(err))
	}
	return built.Commit
}

func (f *swarmFixture) create(p api.CreateParams) api.Container {
	f.t.Helper()
	c, err := f.Create(f.t.Context(), p, "tester")
	if err != nil {
		f.t.Fatalf("create %s: %v (%v)", p.Name, err, errors.Unwrap(err))
	}
	return c
}

func (f *swarmFixture) tasks(name string) []api.Task {
	f.t.Helper()
	doc, err := f.Inspect(f.t.Context(), name, false)
	if err != nil {
		f.t.Fatal(err)
	}
	return doc.Tasks
}

// running gives how many tasks run of each commit.
func (f *swarmFixture) running(name string) map[string]int {
	commits := map[string]int{}
	for _, t := range f.tasks(name) {
		if t.State == taskRunning && t.Wanted == taskRunning {
			commits[t.Commit]++
		}
	}
	return commits
}

// Three managers, so that one of them can die.
func TestASwarmOfThreeManagers(t *testing.T) {
	f := setUpSwarm(t, enginetest.NewSwarm(t, 3))
	t.Run("an update is rolled out, and taken back", func(t *testing.T) { f.t = t; f.updates() })
	t.Run("an update that does not work is undone and says why", func(t *testing.T) { f.t = t; f.badUpdates() })
	t.Run("an update that was cut off is undone", func(t *testing.T) { f.t = t; f.cutOffUpdate() })
	t.Run("a log that waits for its turn is had before its replicas go", func(t *testing.T) { f.t = t; f.logsInTurn() })
	t.Run("when a manager dies the next is used", func(t *testing.T) { f.t = t; f.managerDies() })
	t.Run("when a manager is demoted or leaves the next is used", func(t *testing.T) { f.t = t; f.managerLeaves() })
	f.t = t
}

func (f *swarmFixture) updates() {
	first := f.build("app", `CMD ["serve"]`)
	f.create(api.CreateParams{Image: "app", Name: "app", Replicas: 2, Environment: map[string]string{"A": "1"}})
	second := f.build("app", `CMD ["serve"]`, "ENV NEWER=yes")
	var told []string
	c, err := f.Update(f.t.Context(), "app", api.UpdateParams{Environment: map[string]string{"A": "2"}}, func(text string) { told = append(told, text) })
	if err != nil {
		f.t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
	if c.Commit != second || f.running("app")[second] != 2 || len(told) != 2 {
		f.t.Errorf("the update gave %+v, %v; it told %q", c, f.tasks("app"), told)
	}
	if doc, err := f.Inspect(f.t.Context(), "app", false); err != nil || *doc.Configuration.Environment["A"] != "2" || doc.Configuration.Environment["DOMAIN"] == nil {
		f.t.Errorf("the environment is %v, %v", doc.Configuration.Environment, err)
	}
	for i, want := range []string{first, second} {
		c, err = f.Rollback(f.t.Context(), "app", func(string) {})
		if err != nil || c.Commit != want || f.running("app")[want] != 2 {
			f.t.Errorf("rollback %d gave %+v, %v; %+v", i+1, c, err, f.tasks("app"))
		}
	}
}

func (f *swarmFixture) badUpdates() {
	good := f.build("web", `CMD ["serve"]`)
	f.create(api.CreateParams{Image: "web", Name: "web", Replicas: 2})
	for _, c := range []struct{ what, instruction, why string }{
		{"ends", `CMD ["exit", "3"]`, "non-zero exit (3)"},
		{"is unhealthy", "CMD [\"serve\"]\nHEALTHCHECK --interval=1s --retries=1 CMD [\"/probe\", \"exit\", \"1\"]", "unhealthy"},
		{"does not listen", `CMD ["wait"]`, "accepts no connection on port 8080"},
	} {
		f.build("web", c.instruction)
		_, err := f.Update(f.t.Context(), "web", api.UpdateParams{}, func(string) {})
		var failed *Error
		if !errors.As(err, &failed) || failed.Class != StartFailed || !strings.Contains(failed.Reason, c.why) || !strings.Contains(failed.Reason, "runs as before") {
			f.t.Errorf("an update to one that %s gave %v; %+v", c.what, err, f.tasks("web"))
		}
		if f.running("web")[good] != 2 {
			f.t.Errorf("after an update to one that %s there are %+v", c.what, f.tasks("web"))
		}
		if now, _ := f.Container("web"); now.Commit != good {
			f.t.Errorf("after an update to one that %s it is %+v", c.what, now)
		}
	}
}

func (f *swarmFixture) cutOffUpdate() {
	good := f.build("cut", `CMD ["serve"]`)
	c := f.create(api.CreateParams{Image: "cut", Name: "cut", Replicas: 2})
	m, err := f.manager()
	if err != nil {
		f.t.Fatal(err)
	}
	r, _ := f.state.get("cut")
	err = f.updateService(f.t.Context(), m, r, func(spec *swarm.ServiceSpec) error { // as far as a daemon came that was killed
		spec.TaskTemplate.ForceUpdate++
		spec.TaskTemplate.ContainerSpec.Args = []string{"wait"}
		spec.UpdateConfig = rolling(spec.UpdateConfig.Order, canaryHold)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.admit(f.t.Context(), m, c.ID, "cut"); err != nil {
		f.t.Fatal(err)
	}
	f.tidy(f.t.Context(), m)
	f.until("it is as it was", func() bool {
		r, ok := f.state.get("cut")
		return ok && !r.service.held && r.settled() && f.running("cut")[good] == 2
	})
}

func (f *swarmFixture) logsInTurn() {
	f.build("writer", `CMD ["lines", "-every", "20ms"]`)
	zero, names := 0, []string{"left", "right"} // one at least has no place
	for _, name := range names {
		f.create(api.CreateParams{Image: "writer", Name: name, Replicas: 1, Port: &zero})
	}
	for _, name := range names {
		f.until(name+" has written", func() bool {
			answer, err := f.Logs(f.t.Context(), name, api.LogsParams{})
			return err == nil && len(answer.Lines) > 100
		})
	}
	for _, name := range names {
		stopped, err := f.Stop(f.t.Context(), name, nil)
		if err != nil {
			f.t.Fatalf("%v (%v)", err, errors.Unwrap(err))
		}
		answer, err := f.Logs(f.t.Context(), name, api.LogsParams{})
		if err != nil || len(answer.Lines) == 0 {
			f.t.Fatalf("after its stop %s has the log %+v, %v", name, answer, err)
		}
		for i, line := range answer.Lines {
			if line.Text != fmt.Sprintf("line %06d", i+1) {
				f.t.Fatalf("line %d of %s is %+v", i+1, name, line)
			}
		}
		if last := answer.Lines[len(answer.Lines)-1]; last.Time.Before(stopped.Finished.Add(-time.Second)) {
			f.t.Errorf("%s was stopped at %v, and its last line is %+v", name, stopped.Finished, last)
		}
	}
}

func (f *swarmFixture) managerDies() {
	f.build("worker", `CMD ["wait"]`)
	zero := 0
	f.create(api.CreateParams{Image: "worker", Name: "worker", Replicas: 2, Port: &zero})
	f.engines.Nodes[0].Kill()
	f.t.Cleanup(f.engines.Nodes[0].Start)
	f.until("another manager answers", func() bool {
		m, err := f.manager()
		return err == nil && m != f.managers[0] && f.Up()
	})
	f.until("a change is made", func() bool {
		c, err := f.Scale(f.t.Context(), "worker", 3)
		return err == nil && c.Serving == 3
	})
	f.create(api.CreateParams{Image: "worker", Name: "other", Port: &zero}) // its image comes from the registry
}

func (f *swarmFixture) managerLeaves() {
	f.until("the first manager is used", func() bool {
		m, err := f.manager()
		return err == nil && m == f.managers[0] && f.Up()
	})
	f.demote(0)
	f.until("another manager answers", func() bool {
		m, err := f.manager()
		return err == nil && m != f.managers[0] && f.Up()
	})
	if c, err := f.Scale(f.t.Context(), "worker", 2); err != nil || c.Serving != 2 {
		f.t.Errorf("after the manager was demoted scale gave %+v, %v (%v)", c, err, errors.Unwrap(err))
	}
	if err := f.managers[0].usable(); err == nil || !strings.Contains(err.Error(), "is a worker") {
		f.t.Errorf("the demoted manager: %v", err)
	}
	if err := f.engines.Nodes[0].Client().SwarmLeave(f.t.Context(), true); err != nil {
		f.t.Fatal(err)
	}
	f.until("it is known to have left", func() bool {
		err := f.managers[0].usable()
		return err != nil && strings.Contains(err.Error(), "is in no swarm")
	})
	if c, err := f.Scale(f.t.Context(), "worker", 3); err != nil || c.Serving != 3 {
		f.t.Errorf("after the manager had left scale gave %+v, %v (%v)", c, err, errors.Unwrap(err))
	}
}

// demote makes a worker of a manager, by another one.
func (f *swarmFixture) demote(i int) {
	f.t.Helper()
	by := f.engines.Nodes[(i+1)%len(f.engines.Nodes)].Client()
	info, err := f.engines.Nodes[i].Client().Info(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	f.until("it is demoted", func() bool { // another may change the node at the same time
		node, _, err := by.NodeInspectWithRaw(f.t.Context(), info.Swarm.NodeID)
		if err == nil {
			node.Spec.Role = swarm.NodeRoleWorker
			err = by.NodeUpdate(f.t.Context(), node.ID, node.Version, node.Spec)
		}
		return err == nil
	})
}
