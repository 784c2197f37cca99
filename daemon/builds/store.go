package builds

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/durable"
	"go.uber.org/zap"
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

// load finds all builds below a directory, and removes what a write left that
// was cut off. One whose record cannot be read is left alone and left out, and
// the log says so; one without a record was never begun, and is removed.
func load(root string, log *zap.Logger) ([]*Job, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the builds: %w", err)
	}
	dirs, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil {
		return nil, err
	}
	var jobs []*Job
	for _, dir := range dirs {
		switch job, err := loadJob(dir); {
		case err == nil:
			jobs = append(jobs, job)
		case errors.Is(err, errNoRecord):
			remove(dir)
		default:
			log.Warn("a build that was kept cannot be read and is left out: put a copy of its file back, or remove its directory",
				zap.String("directory", dir), zap.Error(err))
		}
	}
	for _, job := range jobs {
		if err := job.takeUp(); err != nil {
			log.Warn("a build that was kept cannot be written to", zap.String("directory", job.output.dir), zap.Error(err))
		}
	}
	return jobs, nil
}

// takeUp brings what is on the disk of a build into order: it ran when the daemon
// was killed, or a write was cut off. What cannot be done now is done at the next
// start.
func (b *Job) takeUp() error {
	err := durable.Tidy(b.output.dir)
	if b.state == api.BuildQueued || b.state == api.BuildRunning {
		b.state, b.err = api.BuildInterrupted, b.interrupted()
		err = errors.Join(err, b.save())
	}
	return err
}

var errNoRecord = errors.New("the build has no record")

func readRecord(dir string) (r record, err error) {
	path := filepath.Join(dir, "record")
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, errNoRecord
	case err != nil:
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if r.Version > recordVersion {
		return r, fmt.Errorf("%s is of version %d, which a newer dockwire wrote", path, r.Version)
	}
	if r.Version != recordVersion || r.Info.ID != filepath.Base(dir) {
		return r, fmt.Errorf("%s is damaged: it is no record of this build", path)
	}
	return r, nil
}

func loadJob(dir string) (*Job, error) {
	r, err := readRecord(dir)
	if err != nil {
		return nil, err
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
