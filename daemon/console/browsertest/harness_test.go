package browsertest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/daemontest"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

const (
	checkout = "../../.." // as seen from here
	patience = time.Minute
)

// binary is the compiled command.
var binary string

func TestMain(m *testing.M) { os.Exit(daemontest.Main(&binary, m.Run)) }

// daemon is a running dockwire serve, with an instance of its own.
type daemon struct {
	address  string // HOST:PORT of its control listener, the same after a restart
	token    string // the admin's
	stateDir string

	t        testing.TB
	tls      *tls.Config // by which its certificate is known; nil if it speaks in clear
	terminal bool        // whether it is started at one
	instance string
	flags    []string
	ingress  string
	cmd      *exec.Cmd
	log      *daemontest.Log
}

// startDaemon starts a daemon. When the test ends, its containers and images
// are removed, it is ended, and nothing may be left at the engine.
func startDaemon(t testing.TB, flags ...string) *daemon {
	t.Helper()
	d := newDaemon(t, flags...)
	d.run()
	return d
}

// startSecureDaemon starts one that speaks TLS. It gives the file of the
// certificate, too.
func startSecureDaemon(t testing.TB) (d *daemon, cert string) {
	t.Helper()
	cert, key, roots := newCertificate(t)
	d = newDaemon(t, "--tls-cert", cert, "--tls-key", key)
	d.tls = &tls.Config{RootCAs: roots}
	d.run()
	return d, cert
}

func newDaemon(t testing.TB, flags ...string) *daemon {
	return &daemon{
		address: "127.0.0.1:0", ingress: "127.0.0.1:0", stateDir: t.TempDir(),
		t: t, instance: "browser-" + strings.ToLower(rand.Text()[:10]), flags: flags,
	}
}

// run starts it, until the test ends.
func (d *daemon) run() {
	t := d.t
	t.Helper()
	t.Cleanup(func() { enginetest.NothingLeft(t, d.instance) })
	d.start()
	t.Cleanup(func() {
		d.removeAll()
		d.stop()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.log)
		}
	})
}

// start starts the daemon, also after kill or stop, and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	args := append([]string{"serve", "--listen", d.address, "--ingress", d.ingress, "--state-dir", d.stateDir,
		"--instance", d.instance, "--allow-git", "127.0.0.1", "--log-format", "json"}, d.flags...)
	d.log = &daemontest.Log{}
	ready := d.log.Ready()
	d.cmd = exec.Command(binary, args...)
	d.cmd.Stderr = d.log
	if d.terminal {
		d.cmd.Stderr = openTerminal(d.t, d.log)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	select {
	case at := <-ready:
		d.address, d.ingress = at.Control(), at.Serves()
	case <-time.After(patience):
		d.kill()
		d.t.Fatalf("the daemon is not ready:\n%s", d.log)
	}
	token, err := os.ReadFile(api.TokenFile(d.stateDir))
	if err != nil {
		d.t.Fatal(err)
	}
	d.token = strings.TrimSpace(string(token))
}

// kill ends the daemon as a power failure would.
func (d *daemon) kill() {
	d.cmd.Process.Kill()
	d.cmd.Wait()
}

// stop asks the daemon to end, and waits until it has.
func (d *daemon) stop() {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	defer late.Stop()
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the daemon ended with %v", err)
	}
}

// url gives where the daemon is, for HTTP or for WebSocket.
func (d *daemon) url() string   { return "http" + d.secure() + "://" + d.address + "/" }
func (d *daemon) wsURL() string { return "ws" + d.secure() + "://" + d.address + "/" }

func (d *daemon) secure() string {
	if d.tls == nil {
		return ""
	}
	return "s"
}

// client calls the daemon as somebody else does, with the admin's token.
func (d *daemon) client() *client.Client {
	return &client.Client{URL: d.wsURL(), Token: d.token, TLS: d.tls}
}

// removeAll removes all containers and images, by the daemon's own methods.
func (d *daemon) removeAll() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := d.client()
	defer c.Close()
	containers, err := c.List(ctx)
	for _, container := range containers {
		if container.ReplicaOf != "" { // it goes with that one
			continue
		}
		_, e := c.Remove(ctx, api.RemoveParams{Name: container.Name, Volumes: true})
		err = errors.Join(err, e)
	}
	images, e := c.Images(ctx)
	err = errors.Join(err, e)
	removed := map[string]bool{}
	for _, image := range images {
		name, _, _ := strings.Cut(image.Name, ":") // all builds of it
		if !removed[name] {
			removed[name] = true
			_, e := c.RemoveImage(ctx, name)
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		d.t.Errorf("cleaning up: %v", err)
	}
}

// repository serves a repository whose image runs the probe of enginetest, and
// gives its URL.
func repository(t testing.TB, server *gittest.Server, name string, instructions ...string) string {
	t.Helper()
	r := server.Repo(name, nil)
	r.Write("probe", string(enginetest.Program(t)), 0o755)
	r.Commit(map[string]string{"Dockerfile": "FROM scratch\nCOPY probe /probe\n" +
		strings.Join(instructions, "\n") + "\nENTRYPOINT [\"/probe\"]\nCMD [\"wait\"]\n"})
	return r.URL
}
