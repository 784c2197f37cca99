package torture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/daemontest"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// instance is that of the tests' daemons: each engine has one.
const instance = "torture"

// daemon is a dockwire serve, as it is compiled, which can die and be started
// again.
type daemon struct {
	t     testing.TB
	dir   string // its state
	host  string // of the engine
	flags []string

	*process // that runs, or ran last
	log      *daemontest.Log
	fresh    map[string][]string // what runs in one that has done nothing
	address  string              // HOST:PORT of its control listener
	ingress  string              // HOST:PORT of its ingress
}

// process is one that was started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it is dead
	err   error         // how it ended
}

func start(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// kill ends the process as a power failure would, and returns when it is dead.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// signal sends a signal to the process, which may be dead.
func (p *process) signal(signal os.Signal) { p.cmd.Process.Signal(signal) }

// startDaemon starts a daemon that drives the engine through its proxy. When
// the test ends it has to end in order, and nothing may be left of it.
func (e *engine) startDaemon(flags ...string) *daemon {
	e.t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		e.t.Fatal(err)
	}
	return e.startDaemonIn(dir, flags...)
}

// startDaemonIn is startDaemon with the state in a directory.
func (e *engine) startDaemonIn(dir string, flags ...string) *daemon {
	e.t.Helper()
	d := &daemon{t: e.t, dir: dir, host: e.proxy.Socket(), flags: flags, log: &daemontest.Log{}}
	e.t.Cleanup(func() {
		if e.t.Failed() {
			e.t.Logf("the end of the daemon's log, without the calls:\n%s", strings.Join(last(60, d.lines(func(line string) bool { return line[0] == '{' && !strings.Contains(line, `"audit"`) })), ""))
			e.t.Logf("the last streams of logs that ended:\n%s", strings.Join(last(60, d.lines(func(line string) bool { return strings.Contains(line, `"method":"NAME/logs"`) })), ""))
		}
	})
	d.fresh = freshGoroutines(d)
	d.start()
	e.t.Cleanup(func() { d.leaveNothing() })
	return d
}

// start runs the daemon and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	ready := d.log.Ready()
	cmd := exec.Command(binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--listen", d.socket(), "--ingress", "127.0.0.1:0",
		"--state-dir", d.dir, "--instance", instance, "--docker-host", d.host, "--allow-git", "127.0.0.1", "--log-format", "json", "--log-level", "debug"}, d.flags...)...)
	cmd.Stderr = d.log
	var err error
	if d.process, err = start(cmd); err != nil {
		d.t.Fatal(err)
	}
	select {
	case at := <-ready:
		d.address, d.ingress = at.Control(), at.Serves()
	case <-d.ended:
		d.t.Fatalf("the daemon ended: %v", d.err)
	case <-time.After(patience):
		d.t.Fatalf("the daemon is not ready after %v", patience)
	}
}

func (d *daemon) socket() string { return "unix://" + filepath.Join(d.dir, "dockwire.sock") }

// client gives a client with a connection of its own, until the test ends.
func (d *daemon) client() *client.Client {
	c := &client.Client{URL: d.socket()}
	d.t.Cleanup(func() { c.Close() })
	return c
}

// token gives the admin token.
func (d *daemon) token() string {
	d.t.Helper()
	token, err := os.ReadFile(api.TokenFile(d.dir))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// terminate ends the daemon in order, and gives how long that took.
func (d *daemon) terminate() time.Duration {
	d.t.Helper()
	begin := time.Now()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.kill()
		d.t.Fatalf("the daemon did not end in %v", patience)
	}
	if d.err != nil {
		d.t.Errorf("the daemon ended with %v", d.err)
	}
	return time.Since(begin)
}

// get asks the control listener, as the admin.
func (d *daemon) get(path string) (status int, body string) {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+d.address+path, nil) // also when the test has ended
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.token())
	return answer(d.t, req)
}

// fetch asks the ingress for the page of a domain. The status is 0 if that did
// not answer.
func (d *daemon) fetch(domain string) (status int) {
	req, err := http.NewRequest(http.MethodGet, "http://"+d.ingress+"/", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Host = domain
	status, _ = answer(d.t, req)
	return status
}

func answer(t testing.TB, req *http.Request) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data)
}

// serves waits until the ingress answers for the domain with the status.
func (d *daemon) serves(domain string, status int) time.Duration {
	d.t.Helper()
	return eventually(d.t, patience, func() error {
		if got := d.fetch(domain); got != status {
			return fmt.Errorf("http://%s/ answers %d, want %d", domain, got, status)
		}
		return nil
	})
}

// run runs a command of the daemon's.
func (d *daemon) run(args ...string) (string, error) {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "DOCKWIRE_URL="+d.socket(), "DOCKWIRE_STATE_DIR="+d.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// leaveNothing removes all containers and images by the daemon's own methods,
// sees that it has come to rest, ends it in order, and asks the engine whether
// anything is left.
func (d *daemon) leaveNothing() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var c client.Client
	c.URL = d.socket()
	err := d.removeAll(ctx, &c)
	c.Close()
	if err != nil {
		d.t.Errorf("what was made cannot be removed: %v", err)
	}
	d.atRest()
	d.start()
	d.terminate()
	eventually(d.t, patience, func() error {
		if left := processes(d.dir); len(left) > 0 {
			return fmt.Errorf("processes are left: %q", left)
		}
		return nil
	})
	enginetest.NothingLeft(d.t, instance)
}

// lines gives the lines of the log that are wanted.
func (d *daemon) lines(wanted func(string) bool) []string {
	return slices.DeleteFunc(slices.Collect(strings.Lines(d.log.String())), func(line string) bool { return !wanted(line) })
}

func last[T any](n int, all []T) []T { return all[max(0, len(all)-n):] }

// processes gives the command lines that have the text in them.
func processes(text string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(text)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
