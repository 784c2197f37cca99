package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
