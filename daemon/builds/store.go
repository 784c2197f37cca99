package builds

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/durable"
)

// record is what is written of a build beside its output.
type record struct {
	Version int
	Queued  api.Time
	Info    api.BuildInfo
	Result  *api.Build `json:",omitempty"`
	Error   *api.Error `json:",omitempty"`
}

const recordVersion = 1

// save writes the record of the build, whole or not at all.
func (b *Job) save() error {
	r := record{Version: recordVersion, Queued: b.queued, Info: b.info()}
	b.mu.Lock()
	if b.state == api.BuildSucceeded {
		r.Result = &b.result
	}
	errors.As(b.err, &r.Error)
	b.mu.Unlock()
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(b.output.dir, "record"), data)
}

// load finds all builds below a directory. One whose record cannot be read is
// left alone, and left out.
func load(root string) ([]*Job, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the builds: %w", err)
	}
	dirs, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil {
		return nil, err
	}
	var jobs []*Job
	for _, dir := range dirs {
		if job, err := loadJob(dir); err == nil {
			jobs = append(jobs, job)
		}
	}
	return jobs, nil
}

func loadJob(dir string) (*Job, error) {
	data, err := os.ReadFile(filepath.Join(dir, "record"))
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("%s was written by another version", dir)
	}
	out, err := openOutput(dir)
	if err != nil {
		return nil, err
	}
	job := &Job{ID: r.Info.ID, queued: r.Queued, output: out, done: make(chan struct{}),
		params: api.BuildParams{Name: r.Info.Name, URL: r.Info.URL, Ref: r.Info.Ref},
		state:  r.Info.State, commit: r.Info.Commit, started: r.Info.Started}
	close(job.done)
	if !job.started.IsZero() {
		job.ended = api.Time{Time: job.started.Add(time.Duration(r.Info.Seconds * float64(time.Second)))}
	}
	if r.Result != nil {
		job.result = *r.Result
	}
	if r.Error != nil {
		job.err = r.Error
	}
	if job.state == api.BuildQueued || job.state == api.BuildRunning {
		job.state, job.err = api.BuildInterrupted, job.interrupted()
		return job, job.save()
	}
	return job, nil
}

// storeError says what it means that something could not be written.
func storeError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return api.NewError(api.CodeTooBusy, "the disk that holds the daemon's state is full; make room there and build again",
			api.ErrorData{Limit: "disk"})
	}
	return err
}
