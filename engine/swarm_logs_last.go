package engine

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"
)

// anyTask takes the lines of all.
func anyTask(string) bool { return true }

// withLines adds to the error of a start that failed what the wanted tasks of the
// service wrote last.
func (s *Swarm) withLines(ctx context.Context, m *manager, r *record, err error, wanted func(task string) bool) error {
	var failed *Error
	if !errors.As(err, &failed) || failed.Class != StartFailed {
		return err
	}
	written, asked := ask(ctx, func(ctx context.Context) ([]byte, error) { return s.lastLines(ctx, m, r, wanted) })
	if asked != nil {
		s.log.Debug("the last lines of a start that failed could not be had", zap.String("name", r.Name), zap.Error(asked))
		return err // the lines are an extra
	}
	for raw := range strings.Lines(string(written)) {
		if line, err := parseLine([]byte(raw)); err == nil {
			failed.Data.Lines = append(failed.Data.Lines, line)
		}
	}
	failed.Data.Lines = failed.Data.Lines[max(0, len(failed.Data.Lines)-trialLines):]
	return err
}

// lastLines asks for the last lines of each task of a service, and gives those of
// the wanted ones.
func (s *Swarm) lastLines(ctx context.Context, m *manager, r *record, wanted func(task string) bool) (all []byte, err error) {
	body, err := m.cli.ServiceLogs(ctx, r.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Details: true, Tail: strconv.Itoa(trialLines)})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	c := &logCopier{demuxer: newDemuxer(body), tasks: map[string]*taskLog{}, wanted: wanted,
		replica: func(task string) int { return s.replicaOf(ctx, m, r.Name, task) },
		write:   func(lines []byte) error { all = append(all, lines...); return nil }}
	if err := c.run(); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return all, nil
}
