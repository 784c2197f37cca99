package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// A follower whose connection is cut again and again goes on by its cursor.
func TestALogIsResumedWithoutLossOverManyCuts(t *testing.T) {
	const cuts, lines = 20, 12_000
	d := startDaemon(t)
	w := d.connect(t)
	w.createWriter("writer", true, "-n", fmt.Sprint(lines), "-rate", "2000", "-both")
	next := map[string]int{api.Stdout: 1, api.Stderr: 2}
	params := map[string]any{"follow": true}
	var seen, cut int
	for ; seen < lines; cut++ {
		w := d.connect(t)
		logs := w.start("writer/logs", params)
		for stay := min(lines, seen+1+rand.IntN(lines/cuts/2)); seen < stay; {
			out, ok := logs.next()
			if !ok || out.Gap || out.Dropped > 0 {
				t.Fatalf("after %d lines came %+v, ended %v", seen, out.Output, !ok)
			}
			for _, line := range out.Lines {
				if n := lineNumber(t, line); n != next[line.Stream] {
					t.Fatalf("after %d cuts %s has line %d, want %d", cut, line.Stream, n, next[line.Stream])
				}
				next[line.Stream] += 2
			}
			seen += len(out.Lines)
			params["after"] = out.Cursor
		}
		w.conn.NetConn().Close()
	}
	if seen != lines || cut < cuts {
		t.Errorf("there were %d lines over %d connections, want %d over at least %d", seen, cut, lines, cuts)
	}
	t.Logf("%d lines over %d connections", seen, cut)
}

// longBuild has a step that writes three hundred lines in some seconds.
var longBuild = files{"Dockerfile": base + `RUN n=0; while [ $n -lt 300 ]; do n=$((n+1)); echo "step line $n ."; usleep 10000; done
`}

// A build that two callers share shows both the same, also if one is cut off
// again and again and goes on by its cursor.
func TestABuildIsJoinedAndResumedWhileItRuns(t *testing.T) {
	d := startDaemon(t)
	params := map[string]any{"name": "long", "url": repository(t, longBuild)}
	first := d.connect(t).start("build", params)
	_, step := first.until("step line 20 ")

	var joined []api.Line
	var seq int64
	var connections int
	var built api.Build
	for ; built.ID == ""; connections++ {
		w := d.connect(t)
		call := w.start("build", params)
		for stay := seq + 1 + rand.Int64N(60); seq < stay; {
			out, ok := call.next()
			if !ok {
				built = result[api.Build](call)
				break
			}
			if seq += int64(len(out.Lines)); out.Seq != seq || out.Gap {
				t.Fatalf("over connection %d the seq is %d (gap %v), want %d", connections, out.Seq, out.Gap, seq)
			}
			joined = append(joined, out.Lines...)
			params["after"] = out.Cursor
		}
		w.conn.NetConn().Close()
	}
	if built.Seq != seq || result[api.Build](first) != built {
		t.Errorf("the callers were answered with %+v and %s, the last seq was %d", built, first.answer.Result, seq)
	}
	rest := joined[slices.Index(joined, step)+1:]
	if first := first.lines(); len(first) < 280 || !slices.Equal(rest[len(rest)-len(first):], first) {
		t.Errorf("the callers saw other lines: the last is %v and %v", joined[len(joined)-1], first[len(first)-1])
	}
	t.Logf("%d lines over %d connections", len(joined), connections)
}

// runs writes fifty numbered lines at each start.
var runs = files{"Dockerfile": base + `CMD n=0; while [ $n -lt 50 ]; do n=$((n+1)); echo "line $n ."; done; exec sleep 100000
`}

// A follow is of a name: it goes on through stop, start and restart, and ends
// with remove.
func TestAFollowGoesOnUntilTheContainerIsRemoved(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"runs", repository(t, runs)})
	ask[api.Container](w, "create", map[string]any{"image": "runs", "name": "runs", "port": 0})
	logs := w.start("runs/logs", map[string]any{"follow": true})
	var lines []api.Line
	read := func(runs int) {
		for len(lines) < 50*runs {
			out, ok := logs.next()
			if !ok || out.Gap || out.State != "" {
				t.Fatalf("in run %d came %+v, ended %v", runs, out.Output, !ok)
			}
			lines = append(lines, out.Lines...)
		}
	}
	read(1)
	ask[api.Container](w, "runs/stop", nil)
	ask[api.Container](w, "runs/start", nil)
	read(2)
	ask[api.Container](w, "runs/restart", nil)
	read(3)
	ask[api.Container](w, "remove", []any{"runs"})
	if end := result[api.LogsResult](logs); end.Seq != 150 || len(lines) != 150 {
		t.Errorf("the log ended with the seq %d after %d lines, want 150", end.Seq, len(lines))
	}
	for i, line := range lines {
		if want := fmt.Sprintf("line %d .", i%50+1); line.Text != want {
			t.Fatalf("line %d is %q, want %q", i+1, line.Text, want)
		}
	}
}
