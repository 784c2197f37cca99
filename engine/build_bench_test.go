package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// benchFiles is how many files the repository has that is built.
const benchFiles = 5000

// byHand is the tag of what is built without us.
const byHand = "dockwire-bench-by-hand"

// benchBuild is a repository, and two ways to an image of it: ours, and by hand.
type benchBuild struct {
	*Engine
	b    *testing.B
	repo *gittest.Repo
	turn int
}

func newBenchBuild(b *testing.B) *benchBuild {
	b.Helper()
	server := gittest.NewServer(b)
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY . /app/\n"}
	random := rand.NewChaCha8([32]byte{})
	for i := range benchFiles {
		text := make([]byte, 2048)
		random.Read(text)
		files[fmt.Sprintf("src/package%02d/file%04d.js", i/50, i)] = fmt.Sprintf("%x", text)
	}
	cfg := Config{Instance: "bench", AllowGit: []string{server.Host}, TempDir: b.TempDir(), CacheDir: filepath.Join(b.TempDir(), "kept")}
	w := &benchBuild{Engine: benchEngine(b, cfg), b: b, repo: server.Repo("app", files)}
	w.repo.Git("repack", "-adq")
	b.Cleanup(w.removeImages)
	return w
}

// benchEngine gives an Engine that runs until the benchmark ends.
func benchEngine(b *testing.B, cfg Config) *Engine {
	b.Helper()
	e, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx)
	}()
	b.Cleanup(func() {
		cancel()
		<-done
		e.Close()
	})
	return e
}

func (w *benchBuild) removeImages() {
	ctx := context.Background()
	images, err := w.cli.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		w.b.Fatal(err)
	}
	for _, i := range images {
		if w.owns(i.Labels, kindImage) || slices.Contains(i.RepoTags, byHand+":latest") {
			if _, err := w.cli.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true}); err != nil {
				w.b.Error(err)
			}
		}
	}
}

// change commits another content, so that the engine has no layer of it.
func (w *benchBuild) change() {
	w.turn++
	w.repo.Commit(map[string]string{"version": fmt.Sprint(time.Now().UnixNano(), w.turn)})
}

// dockwire builds as a caller of ours does.
func (w *benchBuild) dockwire() time.Duration {
	p, err := w.CheckBuild(api.BuildParams{Name: "bench", URL: w.repo.URL})
	if err != nil {
		w.b.Fatal(err)
	}
	began := time.Now()
	out := newTranscript()
	if _, err = w.Build(w.b.Context(), p, fmt.Sprint("bench-", began.UnixNano()), out); err != nil {
		w.b.Fatal(err)
	}
	return time.Since(began)
}

// byHand clones and builds.
func (w *benchBuild) byHand() time.Duration {
	dir := filepath.Join(w.b.TempDir(), "clone")
	defer os.RemoveAll(dir)
	began := time.Now()
	enginetest.ByHand(w.b, "git", "clone", "--quiet", "--depth", "1", w.repo.URL, dir)
	enginetest.ByHand(w.b, "docker", "build", "--quiet", "--tag", byHand, dir)
	return time.Since(began)
}

// after does something before each build, of which the time does not count.
func after(do func(), build func() time.Duration) func() time.Duration {
	return func() time.Duration {
		do()
		return build()
	}
}

// BenchmarkBuild is measured beside git clone --depth 1 and docker build, at the
// same engine.
func BenchmarkBuild(b *testing.B) {
	w := newBenchBuild(b)
	cold := func() {
		w.change()
		if err := w.repositories.Clear(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) { enginetest.Compare(b, after(cold, w.dockwire), after(w.change, w.byHand)) })
	b.Run("changed", func(b *testing.B) { enginetest.Compare(b, after(w.change, w.dockwire), after(w.change, w.byHand)) })
	b.Run("unchanged", func(b *testing.B) { enginetest.Compare(b, w.dockwire, w.byHand) })
}
