package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// tailer follows a log in the background and keeps what it gets.
type tailer struct {
	t    *testing.T
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	changed chan struct{}
	lines   []api.Line
	states  []string
	gaps    int
	err     error
}

func (f *fixture) tail(e *Engine, name string, p api.LogsParams) *tailer {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	w := &tailer{t: f.t, stop: cancel, done: make(chan struct{}), changed: make(chan struct{})}
	p.Follow = true
	go func() {
		defer close(w.done)
		for chunk, err := range e.FollowLogs(ctx, name, p) {
			w.take(chunk, err)
		}
	}()
	f.t.Cleanup(func() {
		cancel()
		<-w.done
	})
	return w
}

func (w *tailer) take(chunk Chunk, err error) {
	lines := decode(w.t, chunk.AppendLines(nil))
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(lines) != chunk.Count || len(chunk.AppendLines(nil)) > MaxChunk && chunk.Count > 1 {
		w.t.Errorf("a chunk of %d lines has %d in %d bytes", chunk.Count, len(lines), len(chunk.AppendLines(nil)))
	}
	w.lines = append(w.lines, lines...)
	w.err = err
	if chunk.State != "" {
		w.states = append(w.states, chunk.State)
	}
	if chunk.Gap {
		w.gaps++
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// wait returns when ok is true of what there is.
func (w *tailer) wait(what string, ok func() bool) {
	w.t.Helper()
	late := time.After(patience)
	for {
		w.mu.Lock()
		done, changed := ok(), w.changed
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late:
			w.t.Fatalf("%s did not happen: there are %d lines, states %v, error %v", what, len(w.lines), w.states, w.err)
		}
	}
}

func (w *tailer) waitLines(n int) {
	w.t.Helper()
	w.wait(fmt.Sprintf("line %d", n), func() bool { return len(w.lines) >= n })
}

// seen gives the states so far.
func (w *tailer) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.states)
}

// got gives the lines so far, and how often some were missing.
func (w *tailer) got() (lines []api.Line, gaps int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines), w.gaps
}

// end waits for the end of the sequence.
func (w *tailer) end() error {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(patience):
		w.t.Fatal("the sequence did not end")
	}
	return w.err
}

// mustBeRuns fails the test unless the lines are runs of the probe's lines from 1
// to n, one after the other, on each stream in order.
func mustBeRuns(t *testing.T, lines []api.Line, runs, n int) {
	t.Helper()
	if len(lines) != runs*n {
		t.Errorf("there are %d lines, want %d", len(lines), runs*n)
	}
	next := map[string]int{api.Stdout: 1, api.Stderr: 2}
	for i, line := range lines {
		if want := fmt.Sprintf("line %06d", next[line.Stream]); !strings.HasPrefix(line.Text, want) {
			t.Fatalf("line %d is %.20q of %s, want %q", i+1, line.Text, line.Stream, want)
		}
		if next[line.Stream] += 2; next[line.Stream] > n {
			next[line.Stream] -= n
		}
	}
}

// noneLeft fails the test when a hub or a goroutine of one is left.
func (f *fixture) noneLeft() {
	f.t.Helper()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if f.hubs.size() > 0 || strings.Contains(string(stacks), "(*hub)") {
		f.t.Errorf("a hub is left:\n%s", stacks)
	}
	rs := &f.hubs.readings
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.open) > 0 || rs.wide > 0 || len(rs.places) > 0 || strings.Contains(string(stacks), "(*reading)") {
		f.t.Errorf("%d readings are left, %d of them wide, and %d places taken:\n%s", len(rs.open), rs.wide, len(rs.places), stacks)
	}
}

func TestAFollowGoesOnThroughStopStartAndRestartUntilRemove(t *testing.T) {
	f := setUp(t)
	const n = 20
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Start: ptr(false),
		Command: []string{"lines", "-n", fmt.Sprint(n), "-every", "1ms", "-stream", "both", "-then", "wait"}})
	whole := f.tail(f.Engine, c.Name, api.LogsParams{})
	must := func(_ api.Container, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.Start(t.Context(), c.Name))
	whole.waitLines(n)
	must(f.Stop(t.Context(), c.Name, nil))
	_, end := mustLog(t, f.Engine, c.Name, api.LogsParams{})
	late := []*tailer{
		f.tail(f.Engine, c.Name, api.LogsParams{Tail: api.TailLines(0)}),
		f.tail(f.Engine, c.Name, api.LogsParams{Since: "0s"}),
		f.tail(f.Engine, c.Name, api.LogsParams{After: end.Cursor}),
		f.tail(f.Engine, c.Name, api.LogsParams{Stream: "both", Grep: "line", Tail: api.TailLines(0)}),
	}
	f.waitForFollowers(c.ID, 1+len(late))
	must(f.Start(t.Context(), c.Name))
	whole.waitLines(2 * n)
	must(f.Restart(t.Context(), c.Name, nil))
	for _, w := range late {
		w.waitLines(2 * n)
	}
	whole.waitLines(3 * n)
	f.remove(c.Name, false)
	for i, w := range append(late, whole) {
		if err := w.end(); err != nil {
			t.Errorf("follower %d ended with %v", i, err)
		}
		runs := 2
		if w == whole {
			runs = 3
		}
		mustBeRuns(t, w.lines, runs, n)
		if w.gaps > 0 || len(w.states) > 0 {
			t.Errorf("follower %d saw %d gaps and the states %v", i, w.gaps, w.states)
		}
	}
	f.noneLeft()
}

// waitForFollowers waits until n followers have read what there was, and are at
// the end of the container's hub.
func (f *fixture) waitForFollowers(id string, n int) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if strings.Count(string(stacks), "engine.await(") >= n {
			return
		}
	}
	f.t.Fatalf("there are not %d followers of %s", n, id)
}

func TestCursorsGoOnExactlyWhereverTheyWereTaken(t *testing.T) {
	f := setUp(t)
	f.hubs.ringLimit = 128 << 10
	const n = 30000
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(n), "-size", "40", "-stream", "both")
	var lines []api.Line
	var p api.LogsParams
	var stays int
	for ; len(lines) < n; stays++ {
		rest := rand.IntN(16)
		for chunk, err := range f.FollowLogs(limited(t, patience), c.Name, p) {
			if err != nil {
				t.Fatalf("after %d lines: %v", len(lines), err)
			}
			lines = append(lines, decode(t, chunk.AppendLines(nil))...)
			p.After = chunk.Cursor
			if rest--; rest < 0 || len(lines) >= n {
				break
			}
		}
	}
	mustBeRuns(t, lines, 1, n)
	t.Logf("%d lines in %d stays", n, stays)
	f.ended(c)
	for _, tail := range []int{1, 1000, n - 1, n + 1} {
		for _, p := range []api.LogsParams{{Tail: api.TailLines(tail)}, {Tail: api.TailLines(tail), Grep: "line"}} {
			w := f.tail(f.Engine, c.Name, api.LogsParams{Tail: p.Tail, Grep: p.Grep, Until: "0s"})
			if err := w.end(); err != nil || !slices.Equal(w.lines, lines[max(0, n-tail):]) {
				t.Errorf("the tail %+v has %d lines, or not the newest: %v", p, len(w.lines), err)
			}
		}
	}
	f.noneLeft()
}

func TestAStalledFollowerLosesNothingAndSlowsNobody(t *testing.T) {
	f := setUp(t)
	f.hubs.ringLimit = 64 << 10
	const n = 100000
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Start: ptr(false), Restart: "no",
		Command: []string{"lines", "-n", fmt.Sprint(n), "-stream", "both"}})
	stalled, resume := make(chan struct{}), make(chan struct{})
	var lines []api.Line
	var slow sync.WaitGroup
	slow.Go(func() {
		for chunk, err := range f.FollowLogs(limited(t, patience), c.Name, api.LogsParams{}) {
			if err != nil {
				t.Error(err)
			}
			if len(lines) == 0 {
				close(stalled)
				<-resume
			}
			if lines = append(lines, decode(t, chunk.AppendLines(nil))...); len(lines) >= n {
				return
			}
		}
	})
	quick := f.tail(f.Engine, c.Name, api.LogsParams{})
	f.waitForFollowers(c.ID, 2)
	if _, err := f.Start(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	<-stalled
	quick.waitLines(n)
	close(resume)
	slow.Wait()
	mustBeRuns(t, quick.lines, 1, n)
	mustBeRuns(t, lines, 1, n)
	quick.stop()
	<-quick.done
	f.noneLeft()
}

func TestFollowersThatBeginTogetherShareAReading(t *testing.T) {
	f := setUp(t)
	f.hubs.ringLimit = 256 << 10
	const n = 20000
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(n), "-stream", "both", "-then", "wait")
	f.tail(f.Engine, c.Name, api.LogsParams{}).waitLines(n)
	h := f.hub(c.Name, logPart{logQuery: &logQuery{id: c.ID}})
	defer h.leave()
	var first, second taker
	a, err := f.hubs.readings.join(t.Context(), h, position{}, &first)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.hubs.readings.join(t.Context(), h, position{}, &second); a != b {
		t.Errorf("two that begin together have a reading each, %v", err)
	}
	f.hubs.readings.leave(a, &second)
	var followers []*tailer
	for range 20 {
		followers = append(followers, f.tail(f.Engine, c.Name, api.LogsParams{}))
	}
	for _, w := range followers {
		w.waitLines(n)
		w.stop()
		<-w.done
		mustBeRuns(t, w.lines, 1, n)
	}
	f.hubs.readings.leave(a, &first)
}

// Two that read from different places, where there is one place to read from:
// the second waits for the first.
func TestAReadingWaitsUntilThereIsAPlaceForIt(t *testing.T) {
	f := setUp(t)
	f.hubs.readings.places = make(chan struct{}, 1)
	const n = 100
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(n), "-then", "wait")
	f.tail(f.Engine, c.Name, api.LogsParams{}).waitLines(n)
	f.hubs.readings.places <- struct{}{}
	waits := f.tail(f.Engine, c.Name, api.LogsParams{})
	stacks := make([]byte, 1<<20)
	for late := time.Now().Add(10 * time.Second); !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("takePlace")); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it does not wait")
		}
	}
	<-f.hubs.readings.places
	waits.waitLines(n)
	waits.stop()
	<-waits.done
}

func TestAReadingThatFindsNoPlaceIsToldToGoOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := readings{places: make(chan struct{})}
		began := time.Now()
		full := wantClass(t, rs.takePlace(t.Context(), "web"), TooBusy, "the log of web is not read back")
		if waited := time.Since(began); waited != placeWait || full.Data.Limit != "readings" {
			t.Errorf("after %v it said %+v", waited, full.Data)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := rs.takePlace(gone, "web"); !errors.Is(err, context.Canceled) {
			t.Errorf("whose caller is gone it told %v", err)
		}
	})
}

func TestAFollowerThatIsBehindAtRemoveIsToldOfTheGap(t *testing.T) {
	f := setUp(t)
	f.hubs.ringLimit = 64 << 10
	const n = 50000
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Start: ptr(false), Restart: "no",
		Command: []string{"lines", "-n", fmt.Sprint(n)}})
	quick := f.tail(f.Engine, c.Name, api.LogsParams{})
	next, stop := iter.Pull2(f.FollowLogs(limited(t, patience), c.Name, api.LogsParams{}))
	defer stop()
	first := make(chan Chunk, 1)
	go func() {
		chunk, _, _ := next()
		first <- chunk
	}()
	f.waitForFollowers(c.ID, 2)
	if _, err := f.Start(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	last := <-first
	quick.waitLines(n)
	f.remove(c.Name, false)
	if err := quick.end(); err != nil || quick.gaps > 0 {
		t.Errorf("who kept up got %d gaps and %v", quick.gaps, err)
	}
	got := last.Count
	for {
		chunk, err, more := next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		got, last = got+chunk.Count, chunk
	}
	told := last.Gap && last.Count == 0 && last.Cursor != ""
	if got < n && !told { // the engine still had all of them open, or not
		t.Errorf("who was behind got %d of %d lines, and is not told of a gap", got, n)
	}
}

func TestAFollowSurvivesTheEngineGoingAway(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.hubs.first, f.hubs.last = 5*time.Millisecond, 20*time.Millisecond
	const n = 20000
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(n), "-size", "100", "-stream", "both", "-then", "wait")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	for lines := range 10 {
		w.waitLines(lines * n / 10)
		proxy.Cut()
	}
	w.waitLines(n)
	lines, _ := w.got()
	mustBeRuns(t, lines, 1, n)

	f.waitForFollowers(c.ID, 1)
	w.wait("the return from the last cut", func() bool { return len(w.states)%2 == 0 })
	before := len(w.seen())
	proxy.Refuse()
	w.wait("a pause", func() bool { return len(w.states) > before })
	proxy.Restore()
	w.wait("the end of it", func() bool { return len(w.states) > before+1 })
	for i, state := range w.seen() {
		if want := []string{api.StreamPaused, api.StreamResumed}[i%2]; state != want {
			t.Errorf("the states are %v", w.seen())
		}
	}
	f.until("the engine is back", f.Up)
	if _, err := f.Restart(t.Context(), c.Name, nil); err != nil {
		t.Fatal(err)
	}
	w.waitLines(2 * n)
	lines, gaps := w.got()
	mustBeRuns(t, lines, 2, n)
	if gaps > 0 {
		t.Errorf("there were %d gaps", gaps)
	}
}

func TestLinesThatAreGoneAreAGap(t *testing.T) {
	f := setUp(t)
	const n = 5000
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(n), "-size", "10000")
	var first string
	for chunk, err := range f.FollowLogs(limited(t, patience), c.Name, api.LogsParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		first = chunk.Cursor
		break
	}
	f.ended(c)
	whole, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Grep: "^line ....00 "})
	if strings.HasPrefix(whole, "000100") {
		t.Fatal("the engine has not rotated the log")
	}
	p := api.LogsParams{After: first, Grep: "^line ....00 "}
	if got, r := mustLog(t, f.Engine, c.Name, p); got != whole || !r.Gap {
		t.Errorf("after what is gone there is %.40q, gap %v, want %.40q", got, r.Gap, whole)
	}
	p.Until = "0s"
	w := f.tail(f.Engine, c.Name, p)
	if err := w.end(); err != nil || w.gaps != 1 || len(w.lines) != len(r.Lines) {
		t.Errorf("a follower got %d lines, %d gaps, %v", len(w.lines), w.gaps, err)
	}
	foreign := encodeCursor(testID, position{last: mark{fromStdout, time.Now().UnixNano(), 0}})
	if got, r := mustLog(t, f.Engine, c.Name, api.LogsParams{After: foreign, Grep: "^line ....00 "}); got != whole || !r.Gap {
		t.Errorf("after another container's cursor there is %.40q, gap %v", got, r.Gap)
	}
	w = f.tail(f.Engine, c.Name, api.LogsParams{After: foreign, Grep: "^none$", Until: "0s"})
	if err := w.end(); err != nil || w.gaps != 1 || len(w.lines) != 0 {
		t.Errorf("a follower that wants none of what there is got %d lines, %d gaps, %v", len(w.lines), w.gaps, err)
	}
}

// On a busy machine the engine itself is late.
func TestALineReachesItsFollowerAsSoonAsTheEngineHandsItOut(t *testing.T) {
	f := setUp(t)
	c := f.writer("app", "", "lines", "-every", "20ms")
	engines := make(chan time.Duration, 1)
	go func() { engines <- f.engineDelay(c.ID, 50) }()
	var delays []time.Duration
	for chunk, err := range f.FollowLogs(limited(t, patience), c.Name, api.LogsParams{Tail: api.TailLines(0)}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range decode(t, chunk.AppendLines(nil)) {
			delays = append(delays, time.Since(line.Time.Time))
		}
		if len(delays) >= 50 {
			break
		}
	}
	ours, engine := median(delays), <-engines
	t.Logf("half of the lines had come after %v, from the engine itself after %v", ours, engine)
	if ours > engine+50*time.Millisecond {
		t.Errorf("half of the lines took longer than %v, from the engine itself %v", ours, engine)
	}
}

// engineDelay gives how long half of so many new lines took at most from the
// container to a client of the engine.
func (f *fixture) engineDelay(id string, lines int) time.Duration {
	logs, err := f.docker.ContainerLogs(f.t.Context(), id, container.LogsOptions{ShowStdout: true, Timestamps: true, Follow: true, Tail: "0"})
	if err != nil {
		f.t.Error(err)
		return 0
	}
	defer logs.Close()
	var delays []time.Duration
	for d := newDemuxer(logs); len(delays) < lines; {
		line, err := d.next()
		if err != nil {
			f.t.Error(err)
			return 0
		}
		delays = append(delays, time.Since(time.Unix(0, line.time)))
	}
	return median(delays)
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func TestAFollowEndsAtUntilOrWithItsContext(t *testing.T) {
	f := setUp(t)
	c := f.writer("app", "", "lines", "-every", "20ms")
	until := time.Now().Add(700 * time.Millisecond)
	w := f.tail(f.Engine, c.Name, api.LogsParams{Until: until.Format(time.RFC3339Nano)})
	if err := w.end(); err != nil || len(w.lines) == 0 {
		t.Errorf("it ended with %d lines and %v", len(w.lines), err)
	}
	if last := w.lines[len(w.lines)-1].Time; time.Now().Before(until) || !last.Before(until) {
		t.Errorf("the last line is of %v, until is %v", last, until)
	}
	w = f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitLines(1)
	w.stop()
	if err := w.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled follow ended with %v", err)
	}
	f.noneLeft()
}
