package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/engine/enginetest"
)

// engine is a Docker Engine of a test's own. DOCKER_HOST leads to it.
type engine struct {
	t      testing.TB
	dir    string
	socket string
	proxy  *enginetest.Proxy // the daemon's way to it
	cli    *client.Client    // the test's own way

	*process
}

// startEngine starts an engine with its data in the directory, or in one of the
// test's own when that is empty. It ends with the test.
func startEngine(t testing.TB, data string) *engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "e")
	if err != nil {
		t.Fatal(err)
	}
	if data == "" {
		data = filepath.Join(dir, "data")
	}
	e := &engine{t: t, dir: dir, socket: "unix://" + filepath.Join(dir, "docker.sock")}
	if err := os.WriteFile(e.path("daemon.json"), fmt.Appendf(nil, `{"data-root":%q,"exec-root":%q,"pidfile":%q,"cgroup-parent":%q,"log-level":"warn"}`,
		data, e.path("exec"), e.path("pid"), "/"+controlGroup()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", e.socket)
	e.start()
	t.Cleanup(func() {
		e.terminate()
		if t.Failed() {
			log, _ := os.ReadFile(e.path("log"))
			t.Logf("the end of the engine's log:\n%s", log[max(0, len(log)-4_000):])
		}
	})
	e.proxy = enginetest.NewProxyOf(t, e.socket)
	if e.cli, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.cli.Close() })
	return e
}

func (e *engine) path(name string) string { return filepath.Join(e.dir, name) }

// start starts the engine, and returns when it answers.
func (e *engine) start(flags ...string) {
	e.t.Helper()
	e.launch(flags...)
	eventually(e.t, patience, e.answers)
}

// launch starts the engine.
func (e *engine) launch(flags ...string) {
	e.t.Helper()
	log, err := os.OpenFile(e.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("dockerd", append(flags, "--config-file", e.path("daemon.json"), "--host", e.socket)...)
	cmd.Stdout, cmd.Stderr = log, log
	if e.process, err = start(cmd); err != nil {
		e.t.Fatalf("the fault tests start an engine of their own: %v", err)
	}
}

// answers asks the engine itself, on a connection of its own.
func (e *engine) answers() error {
	select {
	case <-e.ended:
		log, _ := os.ReadFile(e.path("log"))
		e.t.Fatalf("the engine ended: %s", log[max(0, len(log)-2000):])
	default:
	}
	cli, err := client.NewClientWithOpts(client.WithHost(e.socket), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer cli.Close()
	_, err = cli.Info(e.t.Context())
	return err
}

// terminate ends the engine in order. kill leaves its containers running, for the
// time being.
func (e *engine) terminate() {
	e.signal(syscall.SIGTERM)
	<-e.ended
}

// freeze stops the engine in the middle of whatever it does: connections to it
// are taken, and nothing is answered. thaw lets it go on.
func (e *engine) freeze() { e.signal(syscall.SIGSTOP) }
func (e *engine) thaw()   { e.signal(syscall.SIGCONT) }

// tell logs which containers there are, if the test has failed.
func (e *engine) tell() {
	if !e.t.Failed() {
		return
	}
	containers, err := e.cli.ContainerList(context.Background(), container.ListOptions{All: true})
	for _, c := range containers {
		e.t.Logf("the engine has %v: %s, %s", c.Names, c.State, c.Status)
	}
	if err != nil {
		e.t.Log(err)
	}
}

// repeated gives the values that are in there more than once.
func repeated(values []string) []string {
	slices.Sort(values)
	var twice []string
	for i, value := range values {
		if i > 0 && value == values[i-1] {
			twice = append(twice, value)
		}
	}
	return slices.Compact(twice)
}
