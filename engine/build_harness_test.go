package engine

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// transcript is what a build said.
type transcript struct {
	mu     sync.Mutex
	lines  []string // STREAM TEXT
	commit string
	said   chan string
}

func newTranscript() *transcript { return &transcript{said: make(chan string, 1000)} }

func (o *transcript) Line(stream, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := stream + " " + text
	o.lines = append(o.lines, line)
	o.said <- line
}

func (o *transcript) Commit(sha string) { o.commit = sha }

func (o *transcript) wants(t *testing.T, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !slices.ContainsFunc(o.lines, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no line with %q in:\n%s", want, strings.Join(o.lines, "\n"))
		}
	}
}

// workshop builds repositories of a server of its own.
type workshop struct {
	*fixture
	*gittest.Server
	base string // the probe, as FROM takes it
}

func newWorkshop(t *testing.T, builder string) *workshop {
	t.Helper()
	server := gittest.NewServer(t)
	f := setUp(t, func(c *Config) {
		c.AllowGit, c.Builder, c.TempDir = []string{server.Host}, builder, t.TempDir()
	})
	w := &workshop{fixture: f, Server: server, base: repository + f.build("probe") + ":latest"}
	t.Cleanup(w.removeImages)
	return w
}

// removeImages removes what was built, and what the classic builder keeps as its
// cache on top of the base.
func (w *workshop) removeImages() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	base, err := w.docker.ImageInspect(ctx, w.base)
	if err != nil {
		w.t.Fatal(err)
	}
	for removed := true; removed; {
		removed = false
		all, err := w.docker.ImageList(ctx, image.ListOptions{All: true})
		if err != nil {
			w.t.Fatal(err)
		}
		parents := map[string]string{}
		for _, i := range all {
			parents[i.ID] = i.ParentID
		}
		for _, i := range all {
			if strings.HasSuffix(i.Labels[labelBuild], w.suffix) || descends(i.ID, base.ID, parents) {
				_, err := w.docker.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
				removed = removed || err == nil
			}
		}
	}
	w.mustBeIdle()
}

func descends(id, from string, parents map[string]string) bool {
	for id = parents[id]; id != ""; id = parents[id] {
		if id == from {
			return true
		}
	}
	return false
}

// mustBeIdle says what a build has left running or lying.
func (w *workshop) mustBeIdle() {
	w.t.Helper()
	clones, err := os.ReadDir(w.cfg.TempDir)
	if err != nil || len(clones) > 0 {
		w.t.Errorf("clones are left: %v %v", clones, err)
	}
	if running(w.t, w.cfg.TempDir) || running(w.t, "probe lines -every 47ms") {
		w.t.Error("a process is left")
	}
}

// running says whether there is a process with such a command line.
func running(t *testing.T, command string) bool {
	t.Helper()
	out, err := exec.Command("ps", "-e", "-o", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), command)
}

func (w *workshop) try(p api.BuildParams) (api.Build, *transcript, error) {
	w.t.Helper()
	out := newTranscript()
	p, err := w.CheckBuild(p)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := w.Build(w.t.Context(), p, w.name("b1"), out)
	return b, out, err
}

func (w *workshop) mustBuild(p api.BuildParams) (api.Build, *transcript) {
	w.t.Helper()
	b, out, err := w.try(p)
	if err != nil {
		w.t.Fatalf("%v (%v)\n%s", err, errors.Unwrap(err), strings.Join(out.lines, "\n"))
	}
	return b, out
}

func bothBuilders(t *testing.T, test func(t *testing.T, w *workshop)) {
	for _, builder := range []string{"buildkit", "classic"} {
		t.Run(builder, func(t *testing.T) { test(t, newWorkshop(t, builder)) })
	}
}

func (w *workshop) labelsOf(name string) map[string]string {
	w.t.Helper()
	ref, _ := ownReference(repository, name)
	found, err := w.docker.ImageInspect(w.t.Context(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return found.Config.Labels
}

// filesOf gives the content of an image's files.
func (w *workshop) filesOf(name string) map[string]string {
	w.t.Helper()
	ref, _ := ownReference(repository, name)
	made, err := w.docker.ContainerCreate(w.t.Context(), &container.Config{Image: ref, Cmd: []string{"none"}}, nil, nil, nil, "")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := w.docker.ContainerRemove(w.t.Context(), made.ID, container.RemoveOptions{Force: true}); err != nil {
			w.t.Error(err)
		}
	}()
	exported, err := w.docker.ContainerExport(w.t.Context(), made.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	defer exported.Close()
	files := map[string]string{}
	tr := tar.NewReader(exported)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if content, _ := io.ReadAll(tr); h.Typeflag == tar.TypeReg {
			files[h.Name] = string(content)
		}
	}
}

// untilIdle waits for the engine to stop what nobody asks for any more, and does
// what the next connect does.
func (w *workshop) untilIdle() {
	w.t.Helper()
	for deadline := time.Now().Add(patience); running(w.t, "probe lines -every 47ms") || len(w.left(w.t.Context())) > 0; {
		if time.Now().After(deadline) {
			w.t.Fatal("the step still runs, or has left", w.left(w.t.Context()))
		}
		if err := w.removeBuildNetworks(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// relay passes connections on to an engine until it is cut.
type relay struct {
	host string
	lis  net.Listener

	mu   sync.Mutex
	open []net.Conn
	most int64 // bytes that a connection may send to the engine before it is cut; 0 for any number
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{host: "tcp://" + lis.Addr().String(), lis: lis}
	t.Cleanup(r.cut)
	network, address, _ := strings.Cut(to, "://")
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			engine, err := net.Dial(network, address)
			if err != nil {
				conn.Close()
				continue
			}
			r.pass(conn, engine)
		}
	}()
	return r
}

func (r *relay) pass(a, b net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, a, b)
	both := func() {
		a.Close()
		b.Close()
	}
	sent := io.Reader(a)
	if r.most > 0 {
		sent = io.LimitReader(a, r.most)
	}
	go func() { _, _ = io.Copy(a, b); both() }()
	go func() { _, _ = io.Copy(b, sent); both() }()
}

// cutAfter has each new connection cut that sends so many bytes to the engine.
func (r *relay) cutAfter(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = bytes
}

// cut ends all connections, and takes no more.
func (r *relay) cut() {
	r.lis.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.open {
		conn.Close()
	}
}

func TestBuildsLeaveNoGoroutines(t *testing.T) {
	w := newWorkshop(t, "buildkit")
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n", "bad": "FROM scratch\nCOPY bad none/x /\n"})
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
	w.mustBuild(p)
	before := runtime.NumGoroutine()
	for range 5 {
		w.mustBuild(p)
		bad := p
		bad.Dockerfile = "bad"
		_, _, err := w.try(bad)
		wantClass(t, err, BuildFailed, "")
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before+4; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("there were %d goroutines, now:\n%s", before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// foreign makes an image that is not ours, with a tag that could be.
func (w *workshop) foreign(name string) (id string) {
	w.t.Helper()
	f := setUp(w.t)
	id = repository + f.build("other") + ":latest"
	if err := w.docker.ImageTag(w.t.Context(), id, repository+name+":latest"); err != nil {
		w.t.Fatal(err)
	}
	found, err := w.docker.ImageInspect(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return found.ID
}
