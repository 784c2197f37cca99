package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	dockervolume "github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/firewall"
)

// patience is how long a test waits for anything at all. It is generous: a machine
// may be busy.
const patience = time.Minute

// fixture is an Engine of a test's own, with an instance that nobody else has.
type fixture struct {
	*Engine
	t      *testing.T
	docker *client.Client // behind the Engine's back
	suffix string
	stop   func() // ends Run, before the test ends
}

// setUp gives an Engine whose live state is kept. When the test ends it removes
// all that the instance has, networks and volumes too, and complains about what
// is left of containers that the test removed itself.
func setUp(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	random := make([]byte, 4)
	rand.Read(random)
	f := &fixture{t: t, docker: enginetest.Client(t), suffix: hex.EncodeToString(random)}
	cfg := Config{Instance: "test-" + f.suffix, Base: "test.localhost", Ingress: "http://localhost:8420"}
	for _, c := range change {
		c(&cfg)
	}
	t.Cleanup(f.cleanUp)
	f.Engine, f.stop = f.start(cfg)
	return f
}

// run gives a running Engine that ends with the test.
func (f *fixture) run(cfg Config) *Engine {
	f.t.Helper()
	e, _ := f.start(cfg)
	return e
}

// start gives a running Engine that ends with the test, or with stop.
func (f *fixture) start(cfg Config) (e *Engine, stop func()) {
	f.t.Helper()
	e, err := New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("Run ended with %v", err)
		}
		e.Close()
	})
	f.t.Cleanup(stop)
	return e, stop
}

// name gives a name that no other test uses.
func (f *fixture) name(base string) string { return base + "-" + f.suffix }

// build gives the name of an image of the probe, as if it had been built.
func (f *fixture) build(base string, instructions ...string) string {
	f.t.Helper()
	name := f.name(base)
	labels := f.labels(kindImage, name)
	labels[labelURL], labels[labelRef], labels[labelCommit] = "https://example.com/game.git", "main", testCommit
	id := enginetest.Probe(f.t, labels, instructions...)
	f.t.Cleanup(f.cleanUp) // before the image goes
	for _, tag := range []string{":latest", ":" + testCommit} {
		if err := f.docker.ImageTag(f.t.Context(), id, repository+name+tag); err != nil {
			f.t.Fatal(err)
		}
	}
	return name
}

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// create makes a container, or fails the test.
func (f *fixture) create(p api.CreateParams) api.Container {
	f.t.Helper()
	c, err := f.Create(f.t.Context(), p, "tester")
	if err != nil {
		f.t.Fatalf("create %s: %v (%v)", p.Name, err, errors.Unwrap(err))
	}
	return c
}

func (f *fixture) remove(name string, volumes bool) api.Container {
	f.t.Helper()
	c, err := f.Remove(f.t.Context(), name, volumes)
	if err != nil {
		f.t.Fatalf("remove %s: %v (%v)", name, err, errors.Unwrap(err))
	}
	return c
}

// until waits for the live state to be as it should.
func (f *fixture) until(what string, ok func() bool) {
	f.t.Helper()
	waitFor(f.t, f.Engine, patience, what, ok)
}

func waitFor(t *testing.T, e *Engine, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	late := time.After(limit)
	for {
		changed := e.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s did not happen within %v", what, limit)
		}
	}
}

// output gives what a container has written by the time that it writes the text,
// or has ended.
func (f *fixture) output(id, until string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	logs, err := f.docker.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		f.t.Fatal(err)
	}
	defer logs.Close()
	var out strings.Builder
	buf := make([]byte, 4096)
	for until == "" || !strings.Contains(out.String(), until) {
		n, err := logs.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return out.String()
}

// left gives what the engine has of the instance, but for images.
func (f *fixture) left(ctx context.Context) (left []string) {
	ours := filters.NewArgs(filters.Arg("label", labelInstance+"="+"test-"+f.suffix))
	containers, err := f.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	for _, c := range containers {
		left = append(left, "container "+c.Names[0])
	}
	networks, nerr := f.docker.NetworkList(ctx, network.ListOptions{Filters: ours})
	for _, n := range networks {
		left = append(left, "network "+n.Name)
	}
	volumes, verr := f.docker.VolumeList(ctx, dockervolume.ListOptions{Filters: ours})
	for _, v := range volumes.Volumes {
		left = append(left, "volume "+v.Name)
	}
	if err := errors.Join(err, nerr, verr); err != nil {
		f.t.Error(err)
	}
	return left
}

// mustBeClean fails the test when the engine has anything of the instance.
func (f *fixture) mustBeClean() {
	f.t.Helper()
	if left := f.left(f.t.Context()); len(left) > 0 {
		f.t.Errorf("left behind: %v", left)
	}
}

func (f *fixture) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, thing := range f.left(ctx) {
		kind, name, _ := strings.Cut(thing, " ")
		var err error
		switch kind {
		case "container":
			err = f.docker.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
		case "network":
			err = f.docker.NetworkRemove(ctx, name)
		case "volume":
			err = f.docker.VolumeRemove(ctx, name, true)
		}
		if err != nil {
			f.t.Errorf("%s could not be removed: %v", thing, err)
		}
	}
	if err := firewall.New("test-"+f.suffix, subnetPool).Remove(ctx); err != nil {
		f.t.Error(err)
	}
}

// wantClass fails the test unless err is an *Error of the class with a sentence
// that has the text in it.
func wantClass(t *testing.T, err error, class Class, text string) *Error {
	t.Helper()
	var known *Error
	if !errors.As(err, &known) {
		t.Fatalf("the error is %v, not an *Error", err)
	}
	if known.Class != class || !strings.Contains(known.Reason, text) {
		t.Fatalf("the error is %d %q (%v), want %d with %q in it", known.Class, known.Reason, known.Err, class, text)
	}
	return known
}

func addrOf(f *fixture, host string) netip.AddrPort {
	holders := f.state.at(host)
	if len(holders) == 0 {
		return netip.AddrPort{}
	}
	return holders[0].addr
}

func ptr[T any](v T) *T { return &v }
