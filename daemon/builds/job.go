package builds

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"go.uber.org/zap"
)

// Job is one build. ID is its id; it never changes.
type Job struct {
	ID     string
	jobs   *Jobs
	params api.BuildParams // its arguments and credential are never written to disk, and forgotten when it has ended
	queued api.Time
	output *output
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it has ended

	attached int  // guarded by jobs.mu
	stopping bool // guarded by jobs.mu
	position int  // in the queue, from 1; guarded by jobs.mu

	mu      sync.Mutex
	state   string
	commit  string
	started api.Time
	ended   api.Time
	result  api.Build
	err     error // an *api.Error
}

func newJob(jobs *Jobs, p api.BuildParams) (*Job, error) {
	id := newID()
	out, err := createOutput(jobs.dir, p.Name, id)
	if err != nil {
		return nil, storeError(err)
	}
	job := &Job{ID: id, jobs: jobs, params: p, queued: now(), output: out,
		done: make(chan struct{}), state: api.BuildQueued}
	job.ctx, job.cancel = context.WithCancelCause(context.Background())
	if err := job.save(); err != nil {
		out.remove()
		return nil, storeError(err)
	}
	return job, nil
}

func newID() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func now() api.Time { return api.Time{Time: time.Now().UTC()} }

// Name gives the name of the image.
func (b *Job) Name() string { return b.params.Name }

// Done is closed when the build has ended.
func (b *Job) Done() <-chan struct{} { return b.done }

// Cursor gives the cursor behind a line.
func (b *Job) Cursor(line int64) string {
	return b.ID + "-" + strconv.FormatInt(line, 36)
}

// Result gives the outcome, once Done is closed. The error is an *api.Error.
func (b *Job) Result() (api.Build, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.result, b.err
}

// attach counts a caller that waits for the build. The caller detaches when it
// stops waiting; if it does so because it cancelled, and nobody else waits,
// the build is cancelled. Whoever finds the build attaches in the same step, under
// jobs.mu: else a cancel could come between.
func (b *Job) attach() (detach func(cancelled bool)) {
	b.attached++
	return func(cancelled bool) {
		b.jobs.mu.Lock()
		defer b.jobs.mu.Unlock()
		b.attached--
		if cancelled && b.attached == 0 {
			b.jobs.stop(b, errCancelled)
		}
	}
}

// Line takes a line of the build's output; it implements engine.BuildOutput.
func (b *Job) Line(stream, text string) {
	if err := b.output.append(api.Line{Time: now(), Stream: stream, Text: text}); err != nil {
		b.cancel(fmt.Errorf("%w: %w", errStore, err))
	}
}

// Commit takes the commit that is built; it implements engine.BuildOutput.
func (b *Job) Commit(sha string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit = sha
}

func (b *Job) lines() int64 {
	lines, _, _ := b.output.progress()
	return lines
}

func (b *Job) hasEnded() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

func (b *Job) begins() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.started = api.BuildRunning, now()
}

// ends records the outcome, and tells all who wait.
func (b *Job) ends(result api.Build, err error) {
	b.output.close()
	b.mu.Lock()
	b.ended = now()
	b.state, b.err = b.outcome(err)
	if b.err == nil {
		b.commit = result.Commit
		b.result = b.complete(result)
	}
	b.mu.Unlock()
	b.cancel(nil)
	if err := b.save(); err != nil {
		b.jobs.log.Error("the outcome of a build is not on disk", zap.String("build", b.ID), zap.Error(err))
	}
	close(b.done)
}

func (b *Job) complete(result api.Build) api.Build {
	result.Build = b.ID
	result.Seq = b.lines()
	result.Cursor = b.Cursor(result.Seq)
	result.Seconds = b.ended.Sub(b.started.Time).Seconds()
	return result
}

// outcome gives the state that an error means, and the error as its callers get
// it.
func (b *Job) outcome(err error) (state string, told error) {
	switch cause := context.Cause(b.ctx); {
	case err == nil:
		return api.BuildSucceeded, nil
	case errors.Is(cause, errInterrupted):
		return api.BuildInterrupted, b.interrupted()
	case errors.Is(cause, errCancelled):
		return api.BuildCancelled, api.NewError(api.CodeCancelled, fmt.Sprintf("build %s of %q was cancelled", b.ID, b.params.Name), b.data())
	case errors.Is(cause, errStore):
		return api.BuildFailed, b.explain(storeError(cause))
	default:
		return api.BuildFailed, b.explain(err)
	}
}

// explain adds to an error where the output ended.
func (b *Job) explain(err error) error {
	var known *api.Error
	if !errors.As(err, &known) {
		return err
	}
	told := *known
	data := b.data()
	if known.Data != nil {
		full := *known.Data
		full.Build, full.Seq, full.Cursor = data.Build, data.Seq, data.Cursor
		data = full
	}
	told.Data = &data
	return &told
}

func (b *Job) interrupted() error {
	return api.NewError(api.CodeBuildFailed, fmt.Sprintf(
		"the daemon ended while build %s of %q ran; start it again", b.ID, b.params.Name), b.data())
}

func (b *Job) data() api.ErrorData {
	seq := b.lines()
	return api.ErrorData{Build: b.ID, Seq: &seq, Cursor: b.Cursor(seq)}
}

func (b *Job) info() api.BuildInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	info := api.BuildInfo{ID: b.ID, Name: b.params.Name, URL: b.params.URL, Ref: b.params.Ref,
		Commit: b.commit, State: b.state, Started: b.started, Cursor: b.Cursor(0)}
	switch {
	case b.started.IsZero():
	case b.ended.IsZero():
		info.Seconds = time.Since(b.started.Time).Seconds()
	default:
		info.Seconds = b.ended.Sub(b.started.Time).Seconds()
	}
	return info
}

// forget removes what is kept of the build.
func (b *Job) forget() { b.output.remove() }
