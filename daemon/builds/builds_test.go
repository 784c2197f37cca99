package builds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

const patience = 30 * time.Second

// open opens the builds in dir, whose work is done by run, and closes them at
// the end of the test.
func open(t *testing.T, dir string, limit int, run Run) *Jobs {
	t.Helper()
	jobs, err := Open(dir, limit, run, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := jobs.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return jobs
}

// steps is work that a test drives: each text is a line, and closing it ends
// the build.
type steps chan string

func (s steps) run(ctx context.Context, p api.BuildParams, _ string, out engine.BuildOutput) (api.Build, error) {
	out.Commit("c0ffee")
	for {
		select {
		case text, more := <-s:
			if !more {
				return api.Build{Name: p.Name, Commit: "c0ffee"}, nil
			}
			out.Line(api.Stdout, text)
		case <-ctx.Done():
			return api.Build{}, ctx.Err()
		}
	}
}

func params(name string) api.BuildParams {
	return api.BuildParams{Name: name, URL: "https://example.com/x.git"}
}

func start(t *testing.T, jobs *Jobs, p api.BuildParams) *Job {
	t.Helper()
	job, detach, err := jobs.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	detach(false)
	return job
}

func attach(job *Job) (detach func(cancelled bool)) {
	job.jobs.mu.Lock()
	defer job.jobs.mu.Unlock()
	return job.attach()
}

func wait(t *testing.T, job *Job) {
	t.Helper()
	select {
	case <-job.Done():
	case <-time.After(patience):
		t.Fatal("the build does not end")
	}
}

// read collects the texts behind a line until the build ends.
func read(t *testing.T, job *Job, after int64) (texts []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seq := after
	for chunk, err := range job.Follow(ctx, after) {
		if err != nil {
			t.Fatal(err)
		}
		var lines []api.Line
		if err := json.Unmarshal(fmt.Appendf(nil, "[%s]", chunk.AppendLines(nil)), &lines); err != nil {
			t.Fatal(err)
		}
		seq += int64(chunk.Count)
		if len(lines) != chunk.Count || chunk.Cursor != job.Cursor(seq) {
			t.Fatalf("%d lines, count %d, cursor %s at %d", len(lines), chunk.Count, chunk.Cursor, seq)
		}
		for _, line := range lines {
			texts = append(texts, line.Text)
		}
	}
	return texts
}

func wantCode(t *testing.T, err error, code api.Code) *api.Error {
	t.Helper()
	var known *api.Error
	if !errors.As(err, &known) || known.Code != code {
		t.Fatalf("got %v, want the code %d", err, code)
	}
	return known
}

func TestReadersSeeEveryLineWhereverTheyBegin(t *testing.T) {
	work := make(steps)
	jobs := open(t, t.TempDir(), 1, work.run)
	job := start(t, jobs, params("a"))
	work <- "one"
	fromStart := make(chan []string)
	go func() { fromStart <- read(t, job, 0) }()
	work <- "two"
	work <- strings.Repeat("long", 50_000)
	fromSecond := make(chan []string)
	go func() { fromSecond <- read(t, job, 1) }()
	work <- "four"
	close(work)
	wait(t, job)
	if got := <-fromStart; len(got) != 4 || got[0] != "one" || len(got[2]) != 200_000 || got[3] != "four" {
		t.Errorf("from the start: %d lines", len(got))
	}
	if got := <-fromSecond; len(got) != 3 || got[0] != "two" {
		t.Errorf("from the second: %d lines", len(got))
	}
	result, err := job.Result()
	if err != nil || result.Seq != 4 || result.Build != job.ID || result.Cursor != job.Cursor(4) {
		t.Errorf("result %+v, %v", result, err)
	}
}

func TestEqualParametersJoinAndOthersConflict(t *testing.T) {
	work := make(steps)
	jobs := open(t, t.TempDir(), 1, work.run)
	first := start(t, jobs, params("a"))
	if second := start(t, jobs, params("a")); second != first {
		t.Error("an equal build did not join")
	}
	other := params("a")
	other.Ref = "v2"
	anothers := params("a")
	anothers.Credential = &api.Credential{Username: "git", Password: "s3cr3t"}
	for _, p := range []api.BuildParams{other, anothers} {
		_, _, err := jobs.Start(p)
		if e := wantCode(t, err, api.CodeConflict); e.Data.Holder != first.ID || strings.Contains(e.Message, "s3cr3t") {
			t.Errorf("holder %q: %s", e.Data.Holder, e.Message)
		}
	}
	close(work)
	wait(t, first)
	if again := start(t, jobs, params("a")); again == first {
		t.Error("a build that has ended was joined")
	}
}

func TestACancelDoesNotStopWhatAnotherHasJoined(t *testing.T) {
	work := make(steps)
	jobs := open(t, t.TempDir(), 1, work.run)
	job, first, err := jobs.Start(params("a"))
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := jobs.Start(params("a"))
	if err != nil {
		t.Fatal(err)
	}
	first(true)
	_, _, third, err := jobs.Find("a", job.Cursor(0))
	if err != nil {
		t.Fatal(err)
	}
	second(true)
	close(work)
	wait(t, job)
	if _, err := job.Result(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	third(false)
}

func TestABuildThatIsBeingStoppedIsNotJoined(t *testing.T) {
	stop := make(chan struct{})
	jobs := open(t, t.TempDir(), 1, func(ctx context.Context, _ api.BuildParams, _ string, _ engine.BuildOutput) (api.Build, error) {
		<-ctx.Done()
		<-stop
		return api.Build{}, ctx.Err()
	})
	job := start(t, jobs, params("a"))
	attach(job)(true)
	_, _, err := jobs.Start(params("a"))
	if e := wantCode(t, err, api.CodeConflict); e.Data.Holder != job.ID || !strings.Contains(e.Message, "is being stopped") {
		t.Errorf("it is refused with %q", e.Message)
	}
	close(stop)
	wait(t, job)
	if again := start(t, jobs, params("a")); again == job {
		t.Error("a build that was stopped was joined")
	}
}

func TestBuildsBeyondTheLimitWaitInOrderAndSayWhere(t *testing.T) {
	work := make(steps)
	jobs := open(t, t.TempDir(), 1, work.run)
	running, second, third := start(t, jobs, params("a")), start(t, jobs, params("b")), start(t, jobs, params("c"))
	positions := map[string]int{}
	for _, info := range jobs.List() {
		positions[info.Name+" "+info.State] = info.Position
	}
	if positions["a running"] != 0 || positions["b queued"] != 1 || positions["c queued"] != 2 {
		t.Fatalf("positions %v", positions)
	}
	if _, err := jobs.Cancel(context.Background(), second.ID); err != nil {
		t.Fatal(err)
	}
	_, err := second.Result()
	wantCode(t, err, api.CodeCancelled)
	close(work)
	wait(t, running)
	wait(t, third)
	want := []string{"Waiting for other builds: position 2 in the queue", "Waiting for other builds: position 1 in the queue"}
	if got := read(t, third, 0); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("the third was told %q", got)
	}
}

func TestABuildThatTheLastCallerCancelsIsStopped(t *testing.T) {
	jobs := open(t, t.TempDir(), 1, make(steps).run)
	job := start(t, jobs, params("a"))
	first, second, third := attach(job), attach(job), attach(job)
	first(true)   // cancels, but others wait
	second(false) // went away
	if job.hasEnded() {
		t.Fatal("it was stopped while somebody waits")
	}
	third(true)
	wait(t, job)
	_, err := job.Result()
	wantCode(t, err, api.CodeCancelled)
	if info, _ := jobs.Get(job.ID); info.State != api.BuildCancelled {
		t.Errorf("state %s", info.State)
	}
}

func TestABuildOutlivesCallersThatGoAway(t *testing.T) {
	work := make(steps)
	jobs := open(t, t.TempDir(), 1, work.run)
	job := start(t, jobs, params("a"))
	attach(job)(false)
	work <- "still here"
	close(work)
	wait(t, job)
	if _, err := job.Result(); err != nil {
		t.Error(err)
	}
}

func TestEndedBuildsAreFoundAgainAfterARestart(t *testing.T) {
	dir := t.TempDir()
	failed := api.NewError(api.CodeBuildFailed, "step 2 failed", api.ErrorData{Step: "RUN false"})
	first := open(t, dir, 2, func(_ context.Context, p api.BuildParams, _ string, out engine.BuildOutput) (api.Build, error) {
		out.Line(api.Git, "Cloning")
		if p.Name == "bad" {
			return api.Build{}, failed
		}
		return api.Build{Name: p.Name, ID: "sha256:1", Commit: "c0ffee"}, nil
	})
	good, bad := start(t, first, params("good")), start(t, first, params("bad"))
	wait(t, good)
	wait(t, bad)

	again := open(t, dir, 1, nil)
	job, after, _, err := again.Find("good", good.Cursor(0))
	if err != nil || after != 0 {
		t.Fatal(err)
	}
	if got := read(t, job, 0); len(got) != 1 || got[0] != "Cloning" {
		t.Errorf("lines %q", got)
	}
	if result, err := job.Result(); err != nil || result.ID != "sha256:1" || result.Seq != 1 {
		t.Errorf("result %+v, %v", result, err)
	}
	job, _, _, err = again.Find("bad", bad.Cursor(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = job.Result()
	if e := wantCode(t, err, api.CodeBuildFailed); e.Data.Step != "RUN false" || e.Data.Cursor != bad.Cursor(1) {
		t.Errorf("error %+v", e.Data)
	}
}

func TestTheCursorOfAListedBuildStandsBeforeItsFirstLine(t *testing.T) {
	dir := t.TempDir()
	work, waiting := make(steps), make(steps)
	jobs := open(t, dir, 1, func(ctx context.Context, p api.BuildParams, id string, out engine.BuildOutput) (api.Build, error) {
		if p.Name == "runs" {
			return work.run(ctx, p, id, out)
		}
		return waiting.run(ctx, p, id, out)
	})
	start(t, jobs, params("runs"))
	start(t, jobs, params("waits"))
	work <- "one"
	close(work)
	waiting <- "two"
	close(waiting)
	want := map[string]string{"runs": "one", "waits": "two"}
	for _, info := range jobs.List() {
		job, after, _, err := jobs.Find(info.Name, info.Cursor)
		if err != nil || after != 0 {
			t.Fatalf("%s: %d, %v", info.Cursor, after, err)
		}
		if got := read(t, job, after); got[len(got)-1] != want[info.Name] {
			t.Errorf("%s: lines %q", info.Name, got)
		}
		wait(t, job)
	}
	for _, info := range open(t, dir, 1, nil).List() {
		if info.Cursor != info.ID+"-0" {
			t.Errorf("after a restart the cursor is %s", info.Cursor)
		}
	}
}

func TestABuildThatRanWhenTheDaemonEndedIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	work := make(steps)
	killed := open(t, dir, 1, work.run)
	job := start(t, killed, params("a"))
	work <- "one"
	work <- "two" // taken only when the line before is on disk
	path := filepath.Join(outputDir(dir, "a", job.ID), "output")
	waitForLines(t, job, 2)
	appendTo(t, path, `{"time":"2026-`) // as if it had been killed in the middle of a line

	again := open(t, dir, 1, nil)
	found, after, _, err := again.Find("a", job.Cursor(1))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, found, after); len(got) != 1 || got[0] != "two" {
		t.Errorf("lines %q", got)
	}
	_, err = found.Result()
	wantCode(t, err, api.CodeBuildFailed)
	if info, _ := again.Get(job.ID); info.State != api.BuildInterrupted {
		t.Errorf("state %s", info.State)
	}
}

// TestABuildThatRanIsInterruptedThoughTheDiskIsFull starts again with no room for
// as much as a name, and then with some.
func TestABuildThatRanIsInterruptedThoughTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,nr_inodes=16"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	work := make(steps)
	job := start(t, open(t, dir, 1, work.run), params("a"))
	work <- "one" // it has begun
	var fillers []string
	for err := error(nil); err == nil; {
		filler := filepath.Join(dir, fmt.Sprint("filler", len(fillers)))
		if err = os.WriteFile(filler, nil, 0o600); err == nil {
			fillers = append(fillers, filler)
		}
	}
	for _, full := range []bool{true, false} {
		if !full {
			os.Remove(fillers[0])
		}
		again := open(t, dir, 1, nil)
		if info, _ := again.Get(job.ID); info.State != api.BuildInterrupted {
			t.Errorf("with the disk full (%v) the build is %q", full, info.State)
		}
		record, err := readRecord(outputDir(dir, "a", job.ID))
		if written := record.Info.State == api.BuildInterrupted; err != nil || written == full {
			t.Errorf("with the disk full (%v) its record says %q, %v", full, record.Info.State, err)
		}
	}
}

func TestWhatAWriteLeftThatWasCutOffIsRemovedAtTheNextStart(t *testing.T) {
	dir := t.TempDir()
	work := make(steps)
	close(work)
	job := start(t, open(t, dir, 1, work.run), params("a"))
	wait(t, job)
	left := filepath.Join(outputDir(dir, "a", job.ID), ".new-12345") // between its making and its renaming
	neverBegun := filepath.Join(outputDir(dir, "b", "c0ffeec0ffee"), ".new-67890")
	if err := os.MkdirAll(filepath.Dir(neverBegun), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{left, neverBegun} {
		if err := os.WriteFile(path, []byte(`{"Version":`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, dir, 1, nil)
	if infos := again.List(); len(infos) != 1 || infos[0].ID != job.ID || infos[0].State != api.BuildSucceeded {
		t.Errorf("the builds are %+v", infos)
	}
	for _, path := range []string{left, filepath.Join(dir, "b")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func waitForLines(t *testing.T, job *Job, n int64) {
	t.Helper()
	for {
		lines, _, changed := job.output.progress()
		if lines >= n {
			return
		}
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatal("the lines do not come")
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheLastBuildsOfANameAreKept(t *testing.T) {
	dir := t.TempDir()
	work := make(steps)
	close(work)
	jobs := open(t, dir, 2, work.run)
	var ids []string
	for i := range Keep + 3 {
		p := params("a")
		p.Ref = fmt.Sprint(i)
		job := start(t, jobs, p)
		wait(t, job)
		ids = append(ids, job.ID)
	}
	// The pruning follows the end; another name's build comes after it.
	wait(t, start(t, jobs, params("b")))
	kept, err := filepath.Glob(filepath.Join(dir, "a", "*"))
	if err != nil || len(kept) < Keep || len(kept) > Keep+1 {
		t.Errorf("%d are kept, %v", len(kept), err)
	}
	_, _, _, err = jobs.Find("a", ids[0]+"-0")
	wantCode(t, err, api.CodeNotFound)
}

func TestCursorsOfNoBuildAreNotFound(t *testing.T) {
	work := make(steps)
	jobs := open(t, t.TempDir(), 1, work.run)
	job := start(t, jobs, params("a"))
	for _, cursor := range []string{"", "-", "x", "ffffffffffff-0", job.ID, job.ID + "--1", job.ID + "-zz", job.ID + "-0x"} {
		_, _, _, err := jobs.Find("a", cursor)
		wantCode(t, err, api.CodeNotFound)
	}
	_, _, _, err := jobs.Find("b", job.Cursor(0))
	wantCode(t, err, api.CodeNotFound)
	close(work)
}

func TestSecretsAreNotWrittenAndAreForgotten(t *testing.T) {
	dir := t.TempDir()
	work := make(steps)
	close(work)
	jobs := open(t, dir, 1, work.run)
	p := params("a")
	p.Args = map[string]string{"TOKEN": "s3cr3t"}
	p.Credential = &api.Credential{Username: "s3cr3t", Password: "s3cr3t"}
	job := start(t, jobs, p)
	wait(t, job)
	jobs.Close(t.Context())
	if job.params.Args != nil || job.params.Credential != nil {
		t.Error("the job still knows them")
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("s3cr3t")) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOutputBeyondTheBoundIsLeftOutAndSaidSo(t *testing.T) {
	jobs := open(t, t.TempDir(), 1, func(_ context.Context, p api.BuildParams, _ string, out engine.BuildOutput) (api.Build, error) {
		text := strings.Repeat("x", 1<<20)
		for range maxOutput>>20 + 5 {
			out.Line(api.Stdout, text)
		}
		return api.Build{Name: p.Name}, nil
	})
	job := start(t, jobs, params("a"))
	wait(t, job)
	texts := read(t, job, 0)
	if last := texts[len(texts)-1]; !strings.Contains(last, "left out") {
		t.Errorf("the last line is %.80q", last)
	}
	if info, err := os.Stat(filepath.Join(job.output.dir, "output")); err != nil || info.Size() > maxOutput+2<<20 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}

// A record that cannot be read is named and left alone; a build without one was
// cut off before it began.
func TestBuildsThatCannotBeReadAreNamed(t *testing.T) {
	dir := t.TempDir()
	put := func(id, file, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "game", id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "game", id, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("truncated", "record", `{"Version":1,"Info":{"id":"trunc`)
	put("empty", "record", "")
	put("newer", "record", `{"Version":2}`)
	put("another", "record", `{"Version":1,"Info":{"id":"moved"}}`)
	put("begun", "output", "")
	core, logged := observer.New(zap.WarnLevel)
	jobs, err := Open(dir, 1, make(steps).run, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	if all := jobs.List(); len(all) > 0 {
		t.Errorf("the builds are %+v", all)
	}
	for _, id := range []string{"truncated", "empty", "newer", "another"} {
		path := filepath.Join(dir, "game", id, "record")
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		if logged.Filter(func(e observer.LoggedEntry) bool { return strings.Contains(fmt.Sprint(e.ContextMap()), path) }).Len() != 1 {
			t.Errorf("the log does not name %s once: %v", path, logged.All())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "game", "begun")); err == nil {
		t.Error("what a build left that was never begun is still there")
	}
}
