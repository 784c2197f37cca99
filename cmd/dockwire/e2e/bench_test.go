package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// BenchmarkCalls is the rate of a call that reads the live state, over a real
// socket, one after the other and 64 at a time.
func BenchmarkCalls(b *testing.B) {
	d := startDaemon(b)
	for _, flight := range []int{1, 64} {
		b.Run(fmt.Sprintf("flight=%d", flight), func(b *testing.B) {
			w := d.connect(b)
			ask[[]api.Container](w, "list", nil)
			var pending []*call
			for b.Loop() {
				if len(pending) == flight {
					pending[0].end()
					pending = pending[1:]
				}
				pending = append(pending, w.start("list", nil))
			}
			for _, c := range pending {
				c.end()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// BenchmarkLogLines is how fast a whole log goes from the engine to a client,
// beside the engine's own command in the same run.
func BenchmarkLogLines(b *testing.B) {
	const lines = 150_000 // the engine keeps 30 MB of a log, with some 170 bytes a line
	d := startDaemon(b)
	w := d.connect(b)
	ask[api.Build](w, "build", []any{"chatter", repository(b, chatter)})
	chatty := ask[api.Container](w, "create", map[string]any{"image": "chatter", "name": "chatter",
		"port": 0, "environment": map[string]string{"LINES": fmt.Sprint(lines)}})
	w.start("chatter/logs", map[string]any{"follow": true, "grep": fmt.Sprintf("line %08d ", lines)}).until("line")

	var ours, theirs time.Duration
	for b.Loop() {
		begin := time.Now()
		follow(b, d.connect(b), lines)
		ours += time.Since(begin)
		begin = time.Now()
		dockerLogs(b, chatty.ID, lines)
		theirs += time.Since(begin)
	}
	total := float64(b.N) * lines
	b.ReportMetric(total/ours.Seconds(), "lines/s")
	b.ReportMetric(total/theirs.Seconds(), "docker-lines/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

// follow reads the log of the chatter until it has all of its lines.
func follow(b *testing.B, w *wire, lines int) {
	b.Helper()
	defer w.conn.Close()
	logs := w.start("chatter/logs", map[string]any{"follow": true})
	for got := 0; got < lines; {
		out, ok := logs.next()
		if !ok || out.Dropped != 0 || out.Gap {
			b.Fatalf("after %d lines came %+v, ended %v", got, out.Output, !ok)
		}
		got += len(out.Lines)
	}
}

// dockerLogs reads the same log with docker logs, and like follow stops after
// the last line.
func dockerLogs(b *testing.B, id string, lines int) {
	b.Helper()
	cmd := exec.Command("docker", "logs", "--follow", "--timestamps", id)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for got := 0; got < lines && scanner.Scan(); got++ {
	}
	cmd.Process.Kill()
	cmd.Wait()
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func worst(all []time.Duration) time.Duration { return slices.Max(all) }
