package engine

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

const benchLines = 200_000

// benchLog gives an Engine with a container called bench that has ended and has
// a log of benchLines lines of 100 bytes.
func benchLog(b *testing.B) (e *Engine, id string) {
	b.Helper()
	e = benchEngine(b, Config{Instance: "bench", Base: "bench.localhost"})
	image := enginetest.Probe(b, nil)
	config := &container.Config{Image: image, Labels: e.labels(kindContainer, "bench"), Cmd: []string{"lines", "-n", strconv.Itoa(benchLines), "-size", "100"}}
	host := &container.HostConfig{NetworkMode: "none", LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "9"}}}
	made, err := e.cli.ContainerCreate(b.Context(), config, host, nil, nil, "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.cli.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true}) })
	ended, failed := e.cli.ContainerWait(b.Context(), made.ID, container.WaitConditionNextExit)
	if err := e.cli.ContainerStart(b.Context(), made.ID, container.StartOptions{}); err != nil {
		b.Fatal(err)
	}
	select {
	case <-ended:
	case err := <-failed:
		b.Fatal(err)
	}
	return e, made.ID
}

// followBench follows the log up to its last line.
func followBench(b *testing.B, e *Engine) {
	n := 0
	for chunk, err := range e.FollowLogs(b.Context(), "bench", api.LogsParams{}) {
		if err != nil {
			b.Error(err)
			return
		}
		if n += chunk.Count; n == benchLines {
			return
		}
	}
}

// BenchmarkLog reads a whole log: through the engine's bare API, and as one
// follower and as many.
func BenchmarkLog(b *testing.B) {
	e, id := benchLog(b)
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			body, err := e.cli.ContainerLogs(b.Context(), id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, body); err != nil {
				b.Fatal(err)
			}
			body.Close()
		}
		b.ReportMetric(float64(b.N)*benchLines/b.Elapsed().Seconds(), "lines/s")
	})
	for _, followers := range []int{1, 100} {
		b.Run(fmt.Sprintf("follow/%d", followers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var all sync.WaitGroup
				for range followers {
					all.Go(func() { followBench(b, e) })
				}
				all.Wait()
			}
			b.ReportMetric(float64(b.N)*float64(followers)*benchLines/b.Elapsed().Seconds(), "lines/s")
		})
	}
	b.Run("tail", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Logs(b.Context(), "bench", api.LogsParams{Tail: api.TailLines(100)}); err != nil {
				b.Fatal(err)
			}
		}
	})
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
