// Package e2e tests the whole of dockwire: the compiled command and daemon, a
// real engine, real sockets, and real git over HTTP.
package e2e

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockwire/dockwire/daemon/daemontest"
)

// binary is the compiled command.
var binary string

func TestMain(m *testing.M) { os.Exit(daemontest.Main(&binary, m.Run)) }

// daemon is a running dockwire serve.
type daemon struct {
	instance string
	dir      string // its state
	flags    []string
	hosts    []string // the addresses of the engines, if not the default one

	cmd     *exec.Cmd
	log     *daemontest.Log
	url     string // of the control listener, ws://…
	ingress string // host:port of the ingress
	token   string
}

// startDaemon starts a daemon with an instance of its own. When the test ends
// it is shut down, and nothing may be left of what it made.
func startDaemon(t testing.TB, flags ...string) *daemon {
	t.Helper()
	d := &daemon{instance: "e2e-" + strings.ToLower(rand.Text()[:10]), dir: t.TempDir(), flags: flags}
	d.startFor(t)
	return d
}

// startFor starts the daemon for a test, and ends it with that.
func (d *daemon) startFor(t testing.TB) {
	t.Helper()
	t.Cleanup(func() { d.leavesNothing(t) })
	d.start(t)
	t.Cleanup(func() {
		d.removeAll(t)
		d.stop(t)
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.log)
		}
	})
}

// start runs the daemon and waits until it is ready.
func (d *daemon) start(t testing.TB) {
	t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--listen", "unix://" + d.socket(), "--ingress", "127.0.0.1:0",
		"--state-dir", d.dir, "--instance", d.instance, "--allow-git", "127.0.0.1", "--log-format", "json"}, d.flags...)
	d.log = &daemontest.Log{}
	ready := d.log.Ready()
	d.cmd = exec.Command(binary, args...)
	d.cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	d.cmd.Stderr = d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case at := <-ready:
		d.url, d.ingress = "ws://"+at.Control(), at.Serves()
	case <-time.After(patience):
		d.cmd.Process.Kill()
		t.Fatalf("the daemon is not ready after %v:\n%s", patience, d.log)
	}
	token, err := exec.Command(binary, "token", "--state-dir", d.dir).Output()
	if err != nil {
		t.Fatalf("dockwire token: %v", err)
	}
	d.token = strings.TrimSpace(string(token))
}

func (d *daemon) socket() string { return filepath.Join(d.dir, "dockwire.sock") }

// stop asks the daemon to end, which it has to do soon and with success.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	begin := time.Now()
	d.cmd.Process.Signal(syscall.SIGTERM)
	if err := d.wait(t); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the daemon took %v to end", took)
	}
}

// kill ends the daemon as a power failure would.
func (d *daemon) kill(t testing.TB) {
	t.Helper()
	d.cmd.Process.Kill()
	d.wait(t)
}

// goroutines ends the daemon and gives the stacks of what ran in it.
func (d *daemon) goroutines(t testing.TB) []string {
	t.Helper()
	d.cmd.Process.Signal(syscall.SIGQUIT)
	d.wait(t)
	var stacks []string
	for stack := range strings.SplitSeq(d.log.String(), "\n\n") {
		if i := strings.Index(stack, "goroutine "); i >= 0 {
			stacks = append(stacks, stack[i:])
		}
	}
	return stacks
}

func (d *daemon) wait(t testing.TB) error {
	t.Helper()
	late := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	defer late.Stop()
	return d.cmd.Wait()
}

// removeAll removes all containers and images, by the daemon's own methods.
func (d *daemon) removeAll(t testing.TB) {
	w := d.connect(t)
	defer w.conn.Close()
	for _, c := range ask[[]struct{ Name string }](w, "list", nil) {
		w.start("remove", []any{c.Name}).end()
	}
	images := map[string]bool{}
	for _, image := range ask[[]struct{ Name string }](w, "images", nil) {
		if !images[image.Name] {
			images[image.Name] = true
			w.start("removeImage", []any{image.Name}).end()
		}
	}
}

// leavesNothing asks the engines themselves whether anything of the instance is
// left.
func (d *daemon) leavesNothing(t testing.TB) {
	t.Helper()
	for _, host := range d.hosts {
		t.Setenv("DOCKER_HOST", host)
		leavesNothing(t, d.instance)
	}
	if len(d.hosts) == 0 {
		leavesNothing(t, d.instance)
	}
}

func leavesNothing(t testing.TB, instance string) {
	t.Helper()
	label := "label=io.dockwire.instance=" + instance
	for _, list := range [][]string{{"container", "ls", "--all"}, {"image", "ls", "--all"}, {"network", "ls"}, {"volume", "ls"}} {
		out := docker(t, append(list, "--quiet", "--filter", label)...)
		if out != "" {
			t.Errorf("docker %s: left behind: %s", strings.Join(list, " "), out)
		}
	}
}

// docker runs the engine's own command.
func docker(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
