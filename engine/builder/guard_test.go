package builder

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/build"

	"github.com/dockwire/dockwire/engine/enginetest"
)

// endless is the context of a build whose step runs until it is stopped, and can
// be told by its mark.
func endless(t *testing.T, mark string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range map[string][]byte{
		"probe":      enginetest.Program(t),
		"Dockerfile": []byte(fmt.Sprintf("FROM scratch\nCOPY probe /\nRUN [\"/probe\", \"wait\", %q]\n", mark)),
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

// pidsOf gives how many processes the step with the mark may have, "" while it
// does not run.
func pidsOf(mark string) string {
	running, _ := os.ReadDir(runcState)
	for _, entry := range running {
		s, err := readStep(entry.Name())
		if err != nil {
			continue
		}
		for _, pid := range s.processes() {
			command, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "cmdline"))
			if !bytes.Contains(command, []byte(mark)) {
				continue
			}
			for _, dir := range s.Cgroups {
				if limit, err := os.ReadFile(filepath.Join(dir, "pids.max")); err == nil {
					return strings.TrimSpace(string(limit))
				}
			}
		}
	}
	return ""
}

func awaitPids(t *testing.T, mark, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); pidsOf(mark) != want; {
		if time.Now().After(deadline) {
			t.Fatalf("the step may have %q processes, want %s", pidsOf(mark), want)
		}
	}
}

func TestOnlyTheStepsOfTheBuildAreBounded(t *testing.T) {
	if err := Boundable(); err != nil {
		t.Fatalf("the test needs cgroups that it may write to: %v", err)
	}
	cli := enginetest.Client(t)
	ctx, cancel := context.WithCancel(t.Context())
	ours, others := rand.Text(), rand.Text()
	var builds sync.WaitGroup
	defer builds.Wait()
	defer cancel()
	foreign := build.ImageBuildOptions{Version: build.BuilderBuildKit, BuildID: others}
	context1, context2 := endless(t, others), endless(t, ours)
	builds.Go(func() {
		if response, err := cli.ImageBuild(ctx, context1, foreign); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
	awaitPids(t, others, "max")
	options := Options{ID: ours, Dockerfile: "Dockerfile", Guard: true, Bounds: Bounds{Memory: 1 << 30, CPUs: 1, Pids: 123}, Warn: func(err error) { t.Error(err) }}
	builds.Go(func() { _ = Run(ctx, cli, options, context2, func(string, string) {}) })
	awaitPids(t, ours, "123")
	if got := pidsOf(others); got != "max" {
		t.Errorf("the step of somebody else's build may have %s processes", got)
	}
}

// cgroup makes a cgroup for a step with each controller, until the test ends.
func cgroup(t *testing.T) map[string]string {
	t.Helper()
	made := map[string]string{}
	for _, controller := range []string{"pids", "memory", "cpu"} {
		root := filepath.Join("/sys/fs/cgroup", controller)
		if _, err := os.Stat(root); err != nil {
			root = "/sys/fs/cgroup" // of version 2, which has one for all
		}
		dir := filepath.Join(root, "dockwire-test-"+rand.Text())
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(dir) })
		made[controller] = dir
		if root == "/sys/fs/cgroup" {
			break
		}
	}
	return made
}

// A step may have taken more than its bound before it gets it.
func TestAStepThatHasTooMuchMemoryAlreadyIsKilled(t *testing.T) {
	program := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(program, enginetest.Program(t), 0o755); err != nil {
		t.Fatal(err)
	}
	step := runcStep{Cgroups: cgroup(t)}
	enter := ""
	for _, dir := range step.Cgroups {
		enter += "echo $$ >" + dir + "/cgroup.procs; "
	}
	hog := exec.CommandContext(t.Context(), "sh", "-c", enter+"exec "+program+" alloc 100000000")
	out, err := hog.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hog.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "allocated") {
		t.Fatalf("it wrote %q, %v", line, err)
	}
	g := newGuard(Options{Bounds: Bounds{Memory: 32 << 20, CPUs: 1, Pids: 100}}, false)
	if err := g.bound(step); err != nil {
		t.Error(err)
	}
	if err := hog.Wait(); err == nil || hog.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
}
