package whole

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/cmd/dockwire/bench/beside"
	"github.com/dockwire/dockwire/cmd/dockwire/bench/peer"
	"github.com/dockwire/dockwire/daemon/daemontest"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestMain(m *testing.M) { os.Exit(beside.Main(m)) }

// daemon is a running dockwire serve.
type daemon struct {
	b        *testing.B
	instance string
	pid      int
	address  string // of the control listener
	ingress  string // host:port
	token    string
}

// startDaemon runs the compiled daemon until the benchmark ends. Nothing may be
// left of what it made.
func startDaemon(b *testing.B) *daemon {
	b.Helper()
	d := &daemon{b: b, instance: "bench-" + strings.ToLower(rand.Text()[:10])}
	b.Cleanup(func() { enginetest.NothingLeft(b, d.instance) })
	binary, err := daemontest.Compile(b.TempDir())
	must(b, err)
	state := b.TempDir()
	serve := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--ingress", "127.0.0.1:0", "--state-dir", state,
		"--instance", d.instance, "--allow-git", "127.0.0.1", "--log-format", "json")
	log, err := os.Create(filepath.Join(state, "log")) // a pipe would have us read each line of it
	must(b, err)
	defer log.Close()
	serve.Stderr = log
	d.pid = launch(b, serve, os.Interrupt)
	at := awaitReady(b, log.Name())
	d.address, d.ingress = at.Control(), at.Serves()
	token, err := exec.Command(binary, "token", "--state-dir", state).Output()
	must(b, err)
	d.token = strings.TrimSpace(string(token))
	b.Cleanup(func() { d.removeAll(b) })
	return d
}

// awaitReady reads the daemon's log until that says where it listens.
func awaitReady(b *testing.B, file string) daemontest.Ready {
	b.Helper()
	r, err := os.Open(file)
	must(b, err)
	defer r.Close()
	var log daemontest.Log
	ready := log.Ready()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); {
		_, err := io.Copy(&log, r)
		must(b, err)
		select {
		case at := <-ready:
			return at
		case <-time.After(10 * time.Millisecond):
		}
	}
	b.Fatalf("the daemon is not ready:\n%s", &log)
	return daemontest.Ready{}
}

func (d *daemon) connect() *peer.Peer {
	d.b.Helper()
	p, err := peer.Dial(d.address, "/", "Authorization: Bearer "+d.token+"\r\n")
	must(d.b, err)
	return p
}

// request is a call that is to be made.
type request struct {
	method string
	params any
}

// call makes a call on a connection of its own and gives the whole answer.
func (d *daemon) call(method string, params any) json.RawMessage {
	d.b.Helper()
	return d.calls(request{method, params})[0]
}

// calls makes calls on one connection, without waiting for the answer to one
// before the next, and gives their answers.
func (d *daemon) calls(requests ...request) []json.RawMessage {
	d.b.Helper()
	p := d.connect()
	defer p.Close()
	p.SetDeadline(time.Now().Add(5 * time.Minute))
	for id, r := range requests {
		given, err := json.Marshal(r.params)
		must(d.b, err)
		must(d.b, p.Send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, r.method, given)))
	}
	results := make([]json.RawMessage, len(requests))
	for answered := 0; answered < len(requests); {
		frame, err := p.Whole()
		must(d.b, err)
		var answer struct {
			ID            int
			Method        string
			Result, Error json.RawMessage
		}
		must(d.b, json.Unmarshal(frame, &answer))
		switch {
		case answer.Error != nil:
			d.b.Fatalf("%v: %s", requests[answer.ID], answer.Error)
		case answer.Method == "":
			results[answer.ID] = answer.Result
			answered++
		}
	}
	return results
}

// removeAll removes all containers and images.
func (d *daemon) removeAll(b *testing.B) {
	var containers, images []struct{ Name string }
	must(b, json.Unmarshal(d.call("list", []any{}), &containers))
	for _, c := range containers {
		d.call("remove", []any{c.Name})
	}
	must(b, json.Unmarshal(d.call("images", []any{}), &images))
	removed := map[string]bool{}
	for _, image := range images {
		name, _, _ := strings.Cut(image.Name, ":") // with all its builds
		if !removed[name] {
			removed[name] = true
			d.call("removeImage", []any{name})
		}
	}
}

// container makes a container straight at the engine, with a log that is not
// cut, and waits until the daemon knows it. It is without a network, and begins
// at once.
func (d *daemon) container(image, name string, command ...string) (id string) {
	d.b.Helper()
	label := "io.dockwire."
	args := []string{"run", "--detach", "--name", name, "--network", "none", "--log-driver", "json-file", "--log-opt", "max-size=4g",
		"--label", label + "instance=" + d.instance, "--label", label + "kind=container", "--label", label + "name=" + name, "--label", label + "port=0", image}
	id = docker(d.b, append(args, command...)...)
	d.b.Cleanup(func() { docker(d.b, "rm", "--force", "--volumes", id) }) // before its image
	for late := time.Now().Add(time.Minute); !strings.Contains(string(d.call("list", []any{})), id); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			d.b.Fatalf("the daemon does not know %s", name)
		}
	}
	return id
}

// compile compiles a command in a directory of its module, and gives its path.
func compile(b *testing.B, dir, pkg string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), filepath.Base(pkg))
	build := exec.Command("go", "build", "-o", binary, pkg)
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", build, err, out)
	}
	return binary
}

// launch starts a command that is ended by a signal when the benchmark is, and
// gives its process id.
func launch(b *testing.B, command *exec.Cmd, signal os.Signal) int {
	b.Helper()
	must(b, command.Start())
	b.Cleanup(func() {
		command.Process.Signal(signal)
		command.Wait()
	})
	return command.Process.Pid
}

// docker runs the engine's command and gives what it prints.
func docker(b *testing.B, args ...string) string {
	b.Helper()
	out, err := exec.Command("docker", args...).Output()
	if err != nil {
		failed, _ := err.(*exec.ExitError)
		b.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, failed.Stderr)
	}
	return strings.TrimSpace(string(out))
}

// engineSocket is where the engine listens.
func engineSocket() string {
	if host, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://"); ok {
		return host
	}
	return "/var/run/docker.sock"
}

// engineAPI is a client of the engine's own API; its URLs begin with
// http://engine/.
var engineAPI = &http.Client{Transport: &http.Transport{
	MaxIdleConnsPerHost: 64,
	DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", engineSocket())
	},
}}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
