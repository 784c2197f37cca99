package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// chatter is a container that writes numbered lines, from 1 on after each start,
// and serves, so that an update of it does not take long.
func (f *fixture) chatter(base string) api.Container {
	f.t.Helper()
	return f.create(api.CreateParams{Image: f.build("app"), Name: f.name(base), Command: []string{"serve", "-lines", "10ms"}, Restart: "no"})
}

// runsOf gives how many lines there are of each start of a chatter, and fails the
// test if one of them is missing or there twice.
func runsOf(t *testing.T, lines []api.Line) (runs []int) {
	t.Helper()
	for _, line := range lines {
		var i int
		if _, err := fmt.Sscanf(line.Text, "line %06d", &i); err != nil {
			continue // it serves
		}
		switch last := len(runs) - 1; {
		case i == 1:
			runs = append(runs, 1)
		case last >= 0 && i == runs[last]+1:
			runs[last] = i
		default:
			t.Fatalf("line %d comes after the runs %v", i, runs)
		}
	}
	return runs
}

// runs is runsOf what has come so far. The caller holds mu, or is alone.
func (w *tailer) runs() []int { return runsOf(w.t, w.lines) }

// waitRuns waits for the beginning of so many runs.
func (w *tailer) waitRuns(n int) {
	w.t.Helper()
	w.wait(fmt.Sprintf("run %d", n), func() bool { return len(w.runs()) == n && w.runs()[n-1] > 5 })
}

// written gives how many lines a container that has ended has written.
func (f *fixture) written(id string) int { return strings.Count(f.output(id, ""), "line ") }

func TestAFollowerGoesThroughUpdatesAndRollbacksWithoutALineLostOrRepeated(t *testing.T) {
	f := setUp(t)
	first := f.chatter("web")
	w := f.tail(f.Engine, first.Name, api.LogsParams{})
	w.waitRuns(1)
	second := f.update(first.Name, api.UpdateParams{})
	w.waitRuns(2)
	ofFirst := f.written(first.ID)
	third := f.update(first.Name, api.UpdateParams{})
	w.waitRuns(3)
	f.rollback(first.Name)
	w.waitRuns(4)
	f.rollback(first.Name)
	w.waitRuns(5)
	if _, err := f.Stop(t.Context(), first.Name, nil); err != nil {
		t.Fatal(err)
	}
	ofSecond, ofThird := f.written(second.ID), f.written(third.ID)
	w.wait("the last line", func() bool { r := w.runs(); return r[2]+r[4] == ofThird })
	f.remove(first.Name, false)
	if err := w.end(); err != nil || w.gaps > 0 {
		t.Errorf("it ended with %v after %d gaps", err, w.gaps)
	}
	if r := w.runs(); len(r) != 5 || r[0] != ofFirst || r[1]+r[3] != ofSecond {
		t.Errorf("the runs that came are %v; %d, %d and %d lines were written", r, ofFirst, ofSecond, ofThird)
	}
	f.noneLeft()
}

func TestALogIsThatOfThePreviousContainerAndOfTheCurrentOne(t *testing.T) {
	f := setUp(t)
	c := f.chatter("web")
	f.output(c.ID, "line 000020")
	mid := f.cursorAfter(c.Name, 10)
	f.update(c.Name, api.UpdateParams{})
	f.output(f.current(c.Name), "line 000010")
	if _, err := f.Stop(t.Context(), c.Name, nil); err != nil {
		t.Fatal(err)
	}
	ofFirst := f.written(c.ID)
	ofSecond := f.written(f.current(c.Name))
	f.wantRuns(c.Name, "all", api.LogsParams{}, ofFirst, ofSecond)
	f.wantRuns(c.Name, "filtered", api.LogsParams{Grep: "line", Stream: api.Stdout}, ofFirst, ofSecond)
	_, whole := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line"})
	for n := range len(whole.Lines) + 2 {
		if n > 3 && n < ofSecond-2 || n > ofSecond+3 && n < len(whole.Lines)-1 {
			continue // nothing changes there
		}
		p := api.LogsParams{Grep: "^line", Tail: api.TailLines(n)}
		_, tail := mustLog(t, f.Engine, c.Name, p)
		want := whole.Lines[max(0, len(whole.Lines)-n):]
		if !slices.Equal(tail.Lines, want) || tail.Truncated || tail.Cursor != whole.Cursor {
			t.Errorf("of the newest %d lines there are %d, truncated %v, cursor %s and %s", n, len(tail.Lines), tail.Truncated, tail.Cursor, whole.Cursor)
		}
		p.Until = "0s"
		w := f.tail(f.Engine, c.Name, p)
		if err := w.end(); err != nil || !slices.EqualFunc(w.lines, want, sameLine) {
			t.Errorf("followed, of the newest %d lines come %d, %v", n, len(w.lines), err)
		}
	}
	_, rest := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line", After: mid})
	if !slices.Equal(rest.Lines, whole.Lines[10:]) || rest.Gap || rest.Cursor != whole.Cursor {
		t.Errorf("after line 10 come %d lines of %d, gap %v", len(rest.Lines), len(whole.Lines), rest.Gap)
	}
	w := f.tail(f.Engine, c.Name, api.LogsParams{Grep: "^line", After: mid, Until: "0s"})
	if err := w.end(); err != nil || !slices.EqualFunc(w.lines, whole.Lines[10:], sameLine) {
		t.Errorf("followed, after line 10 come %d lines of %d, %v", len(w.lines), len(whole.Lines), err)
	}
	if text, _ := mustLog(t, f.Engine, c.Name, api.LogsParams{After: whole.Cursor}); text != "" {
		t.Errorf("after the end comes %q", text)
	}

	f.update(c.Name, api.UpdateParams{})
	if _, r := mustLog(t, f.Engine, c.Name, api.LogsParams{After: mid}); !r.Gap {
		t.Error("nothing says that the lines of a container that is gone are missing")
	}
}

func sameLine(a, b api.Line) bool { return a.Text == b.Text && a.Time.Equal(b.Time.Time) }

func TestALongLogIsReadInPiecesThroughAnUpdate(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("web"), Command: []string{"serve", "-lines", "100us", "-size", "4000"}, Restart: "no"})
	f.output(c.ID, "line 000300")
	cursor := f.cursorAfter(c.Name, 1)
	second := f.update(c.Name, api.UpdateParams{})
	f.output(second.ID, "line 000500")
	if _, err := f.Stop(t.Context(), c.Name, nil); err != nil {
		t.Fatal(err)
	}
	var lines []api.Line
	pieces := 0
	for more := true; more; pieces++ {
		_, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line", After: cursor})
		lines, cursor, more = append(lines, r.Lines...), r.Cursor, r.Truncated
		if r.Gap {
			t.Fatal("there is a gap")
		}
	}
	w := f.tail(f.Engine, c.Name, api.LogsParams{Grep: "^line", Until: "0s"})
	if err := w.end(); err != nil || pieces < 3 || !slices.EqualFunc(lines, w.lines[1:], sameLine) {
		t.Errorf("in %d pieces come %d lines, of %d, %v", pieces, len(lines), len(w.lines), err)
	}
	_, newest := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line"})
	if n := len(newest.Lines); !newest.Truncated || !slices.EqualFunc(newest.Lines, w.lines[len(w.lines)-n:], sameLine) {
		t.Errorf("the newest are %d lines, truncated: %v", n, newest.Truncated)
	}
}

func TestALogAfterARollbackIsInOrder(t *testing.T) {
	f := setUp(t)
	c := f.chatter("web")
	f.output(c.ID, "line 000010")
	mid := f.cursorAfter(c.Name, 5)
	second := f.update(c.Name, api.UpdateParams{})
	before, overlap := f.written(c.ID), f.linesUntil(second.ID, timeOf(f.inspected(c.ID).State.FinishedAt))
	end := f.cursorAfter(c.Name, before+overlap)
	f.rollback(c.Name)
	if _, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Tail: api.TailLines(0)}); r.Cursor == "" {
		t.Error("there is no cursor")
	}
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitRuns(3)
	if _, err := f.Stop(t.Context(), c.Name, nil); err != nil {
		t.Fatal(err)
	}
	ofFirst, ofSecond := f.written(c.ID), f.written(second.ID)
	want := []int{before, ofSecond, ofFirst - before}
	f.wantRuns(c.Name, "after a rollback", api.LogsParams{}, want...)
	_, whole := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line"})
	for after, cursor := range map[int]string{5: mid, before + overlap: end} {
		_, rest := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line", After: cursor})
		if !slices.Equal(rest.Lines, whole.Lines[after:]) || rest.Gap {
			t.Errorf("after line %d come %d lines of %d, gap %v", after, len(rest.Lines), len(whole.Lines), rest.Gap)
		}
	}
	w.wait("the last line", func() bool { return slices.Equal(w.runs(), want) })
}

// linesUntil gives how many lines a container had written by a time, once it has
// written some more.
func (f *fixture) linesUntil(id string, end api.Time) (n int) {
	f.t.Helper()
	logs, err := f.docker.ContainerLogs(f.t.Context(), id, container.LogsOptions{ShowStdout: true, Timestamps: true, Follow: true})
	if err != nil {
		f.t.Fatal(err)
	}
	defer logs.Close()
	for d := newDemuxer(logs); ; {
		line, err := d.next()
		if err != nil {
			f.t.Fatal(err)
		}
		if line.time > end.Add(100*time.Millisecond).UnixNano() {
			return n
		}
		if bytes.HasPrefix(line.text, []byte("line")) {
			n++
		}
	}
}

func (f *fixture) current(name string) string {
	f.t.Helper()
	c, ok := f.Container(name)
	if !ok {
		f.t.Fatalf("there is no %s", name)
	}
	return c.ID
}

// cursorAfter gives the cursor after the first so many lines of a chatter.
func (f *fixture) cursorAfter(name string, n int) string {
	f.t.Helper()
	w := f.tail(f.Engine, name, api.LogsParams{Grep: "^line", Until: "0s"})
	if err := w.end(); err != nil {
		f.t.Fatal(err)
	}
	_, r := mustLog(f.t, f.Engine, name, api.LogsParams{Grep: "^line", Until: w.lines[n].Time.Format(api.TimeLayout)})
	if len(r.Lines) != n {
		f.t.Fatalf("there are %d lines before line %d", len(r.Lines), n+1)
	}
	return r.Cursor
}

func (f *fixture) wantRuns(name, what string, p api.LogsParams, want ...int) {
	f.t.Helper()
	_, r := mustLog(f.t, f.Engine, name, p)
	if runs := runsOf(f.t, r.Lines); !slices.Equal(runs, want) || r.Truncated || r.Gap {
		f.t.Errorf("%s: the runs are %v, want %v (truncated: %v, gap: %v)", what, runs, want, r.Truncated, r.Gap)
	}
}

func TestTopGoesOnWithTheNextContainer(t *testing.T) {
	f := setUp(t)
	c := f.chatter("web")
	updated := false
	for update, err := range f.FollowTop(t.Context(), c.Name, api.TopParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		if updated && update.Usage.Pids > 0 {
			return
		}
		if !updated {
			f.update(c.Name, api.UpdateParams{})
			updated = true
		}
	}
	t.Error("it ended")
}
