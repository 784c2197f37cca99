// Package builds runs builds as jobs that outlive their callers, and keeps
// their output.
//
// A job has an id, runs until it ends or is cancelled, and writes its output to
// disk, numbered from 1 for all its readers. A reader is a position in that
// output: it reads at its own speed, and the job waits for nobody. The output
// and the outcome of the last builds of a name are kept, and found again after
// a restart; a build that ran when the daemon ended is interrupted then.
package builds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"go.uber.org/zap"
)

// Keep is how many ended builds of a name are kept.
const Keep = 10

// Run builds an image. It says what happens through out and ends with ctx. Its
// error is an *api.Error, or one of ctx.
type Run func(ctx context.Context, p api.BuildParams, id string, out engine.BuildOutput) (api.Build, error)

// Jobs are the builds of a daemon. Its methods may be called at the same time.
type Jobs struct {
	dir   string
	limit int
	run   Run
	log   *zap.Logger
	ended sync.WaitGroup // one for each job that has not ended

	mu      sync.Mutex
	closed  bool
	jobs    map[string]*Job   // by id
	byName  map[string][]*Job // oldest first
	waiting []*Job            // first come first
	running int
}

// Open finds the builds that are kept in dir, which it makes if need be. At
// most limit builds run at once; the others wait in order.
func Open(dir string, limit int, run Run, log *zap.Logger) (*Jobs, error) {
	j := &Jobs{dir: dir, limit: limit, run: run, log: log, jobs: map[string]*Job{}, byName: map[string][]*Job{}}
	kept, err := load(dir, log)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(kept, func(a, b *Job) int { return a.queued.Compare(b.queued.Time) })
	for _, job := range kept {
		job.jobs = j
		j.add(job)
	}
	for name := range j.byName {
		j.prune(name)
	}
	return j, nil
}

// Start starts a build, or puts it in the queue. If a build with the same
// parameters has not ended yet, it gives that one; if another build of the name
// has not, or it is being stopped, the error is a conflict. The caller is attached
// to the build until it calls detach.
func (j *Jobs) Start(p api.BuildParams) (job *Job, detach func(cancelled bool), err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, nil, unavailable()
	}
	if current := j.current(p.Name); current != nil {
		if current.stopping {
			return nil, nil, taken(p.Name, current.ID, "is being stopped; try again when it has ended")
		}
		if reflect.DeepEqual(current.params, p) {
			return current, current.attach(), nil
		}
		return nil, nil, taken(p.Name, current.ID, "has not ended and has other parameters; wait for it, or stop it with cancelBuild")
	}
	if job, err = newJob(j, p); err != nil {
		return nil, nil, err
	}
	j.add(job)
	j.ended.Add(1)
	if j.running < j.limit {
		j.launch(job)
	} else {
		j.waiting = append(j.waiting, job)
		j.tellPositions()
	}
	return job, job.attach(), nil
}

// Find gives the build that a cursor points into, and the number of the line
// that the cursor stands behind. The caller is attached to it until it calls detach.
func (j *Jobs) Find(name, cursor string) (job *Job, after int64, detach func(cancelled bool), err error) {
	id, line, _ := strings.Cut(cursor, "-")
	after, err = strconv.ParseInt(line, 36, 64)
	j.mu.Lock()
	defer j.mu.Unlock()
	job = j.jobs[id]
	if err != nil || after < 0 || job == nil || job.params.Name != name || after > job.lines() {
		return nil, 0, nil, notFound(name, fmt.Sprintf(
			"no build of %q has the cursor that was given; the last %d builds are kept, start a new one without after", name, Keep))
	}
	return job, after, job.attach(), nil
}

// Cancel stops a build, for all who wait for it, and returns when it has ended.
func (j *Jobs) Cancel(ctx context.Context, id string) (api.BuildInfo, error) {
	j.mu.Lock()
	job := j.jobs[id]
	if job == nil {
		j.mu.Unlock()
		return api.BuildInfo{}, notFound(id, fmt.Sprintf("there is no build with the id %q; builds lists them", id))
	}
	j.stop(job, errCancelled)
	j.mu.Unlock()
	select {
	case <-job.done:
		return j.info(job), nil
	case <-ctx.Done():
		return api.BuildInfo{}, ctx.Err()
	}
}

// Get gives one build.
func (j *Jobs) Get(id string) (api.BuildInfo, bool) {
	j.mu.Lock()
	job := j.jobs[id]
	j.mu.Unlock()
	if job == nil {
		return api.BuildInfo{}, false
	}
	return j.info(job), true
}

// List gives all builds that are known, newest first. The cursor of each stands
// before its first line.
func (j *Jobs) List() []api.BuildInfo {
	j.mu.Lock()
	all := make([]*Job, 0, len(j.jobs))
	for _, job := range j.jobs {
		all = append(all, job)
	}
	j.mu.Unlock()
	slices.SortFunc(all, func(a, b *Job) int {
		return cmp.Or(b.queued.Compare(a.queued.Time), strings.Compare(a.ID, b.ID))
	})
	infos := make([]api.BuildInfo, len(all))
	for i, job := range all {
		infos[i] = j.info(job)
	}
	return infos
}

// Close interrupts what runs and waits for it, as long as ctx lasts. Nothing
// can be started afterwards.
func (j *Jobs) Close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	for _, job := range j.jobs {
		j.stop(job, errInterrupted)
	}
	j.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		j.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("builds still run: %w", ctx.Err())
	}
}

var (
	errCancelled   = errors.New("the build was cancelled")
	errInterrupted = errors.New("the daemon ended while the build ran")
	errStore       = errors.New("the build's output could not be written")
)

// current gives the build of the name that has not ended.
func (j *Jobs) current(name string) *Job {
	all := j.byName[name]
	if len(all) == 0 || all[len(all)-1].hasEnded() {
		return nil
	}
	return all[len(all)-1]
}

func (j *Jobs) add(job *Job) {
	j.jobs[job.ID] = job
	j.byName[job.params.Name] = append(j.byName[job.params.Name], job)
}

// launch runs a job on a goroutine of its own.
func (j *Jobs) launch(job *Job) {
	j.running++
	job.begins()
	go func() {
		result, err := j.run(job.ctx, job.params, job.ID, job)
		j.launchNext()
		j.finish(job, result, err)
	}()
}

// launchNext gives the place of a job that has run to the next that waits.
func (j *Jobs) launchNext() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running--
	if len(j.waiting) == 0 {
		return
	}
	next := j.waiting[0]
	j.waiting = j.waiting[1:]
	j.launch(next)
	j.tellPositions()
}

// stop cancels a job that has not ended; one that waits leaves the queue.
func (j *Jobs) stop(job *Job, cause error) {
	if job.hasEnded() || job.stopping {
		return
	}
	job.stopping = true
	job.cancel(cause)
	if i := slices.Index(j.waiting, job); i >= 0 {
		j.waiting = slices.Delete(j.waiting, i, i+1)
		j.tellPositions()
		go j.finish(job, api.Build{}, context.Canceled)
	}
}

// finish records how a job ended, and forgets its secrets. It writes to disk, so
// j.mu is not held.
func (j *Jobs) finish(job *Job, result api.Build, err error) {
	defer j.ended.Done()
	job.ends(result, err)
	j.mu.Lock()
	defer j.mu.Unlock()
	job.params.Args, job.params.Credential = nil, nil
	j.prune(job.params.Name)
}

// tellPositions tells those that wait where they are now, if that changed.
func (j *Jobs) tellPositions() {
	for i, job := range j.waiting {
		if job.position != i+1 {
			job.position = i + 1
			job.Line(api.Git, fmt.Sprintf("Waiting for other builds: position %d in the queue", job.position))
		}
	}
}

// prune forgets the oldest builds of a name, and names of which none is left.
func (j *Jobs) prune(name string) {
	for len(j.byName[name]) > Keep && j.byName[name][0].hasEnded() {
		oldest := j.byName[name][0]
		j.byName[name] = j.byName[name][1:]
		delete(j.jobs, oldest.ID)
		oldest.forget()
	}
}

func (j *Jobs) info(job *Job) api.BuildInfo {
	info := job.info()
	if info.State == api.BuildQueued {
		j.mu.Lock()
		defer j.mu.Unlock()
		info.Position = job.position
	}
	return info
}

func notFound(name, reason string) error {
	return api.NewError(api.CodeNotFound, reason, api.ErrorData{Kind: "build", Name: name})
}

func taken(name, id, why string) error {
	return api.NewError(api.CodeConflict, fmt.Sprintf("build %s of %q %s", id, name, why),
		api.ErrorData{Kind: "build", Name: name, Holder: id})
}

func unavailable() error {
	return api.NewError(api.CodeUnavailable, "the daemon is ending", api.ErrorData{Outcome: api.OutcomeNone})
}
