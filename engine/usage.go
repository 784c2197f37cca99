package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// Top answers what a container uses now. The CPU percent is that of the time
// between the last two samples, about a second. A container that is watched, or
// was so in the last half minute, has both already. For any other it waits: a
// fifth of a second where the engine can sample at once, else a second. One that
// does not run is an error of class NotRunning.
func (e *Engine) Top(ctx context.Context, name string) (api.Usage, error) {
	r, err := e.findRunning(ctx, name)
	if err != nil {
		return api.Usage{}, err
	}
	s := e.sampler(name, r.ID)
	defer s.leave()
	for w := (watcher{step: 1}); ; {
		v := s.view()
		if v.paused || v.err != nil {
			return api.Usage{}, e.usageError(v.err, name)
		}
		if update, ok := w.next(v); ok {
			return update.Usage, nil
		}
		if v.ended {
			return api.Usage{}, notFound(kindContainer, name, "%s was removed meanwhile", name)
		}
		if v.stopped {
			if _, err := e.findRunning(ctx, name); err != nil {
				return api.Usage{}, err
			}
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return api.Usage{}, ctx.Err()
		}
	}
}

// findRunning gives the container called name if it runs.
func (e *Engine) findRunning(ctx context.Context, name string) (*record, error) {
	r, err := e.find(ctx, name)
	if err != nil || r.Running() {
		return r, err
	}
	return nil, &Error{
		Class:  NotRunning,
		Reason: fmt.Sprintf("%s does not run, it is %s: start it first", name, r.State),
		Data:   api.ErrorData{Kind: kindContainer, Name: name},
	}
}

func (e *Engine) usageError(err error, name string) error {
	return e.wrap(err, kindContainer, name, "what %s uses could not be read", name)
}

// sample is what a container had used by some moment.
type sample struct {
	api.Usage        // without the CPU percent
	cpu       uint64 // nanoseconds of all cores since the start
	seq       int64  // counts samples
	run       int64  // changes when the counters began anew
}

// sampleOf reads one of the engine's. It is not ok for a container that does not
// run: then the engine gives zeros.
func sampleOf(name string, s *container.StatsResponse, cores float64) (*sample, bool) {
	if s.Read.IsZero() {
		return nil, false
	}
	if cores == 0 {
		cores = float64(s.CPUStats.OnlineCPUs)
	}
	return &sample{cpu: s.CPUStats.CPUUsage.TotalUsage, Usage: api.Usage{
		Name:    name,
		Time:    api.Time{Time: s.Read.UTC()},
		CPU:     api.CPUUsage{Limit: cores},
		Memory:  memoryOf(s.MemoryStats),
		Network: networkOf(s.Networks),
		Disk:    diskOf(s.BlkioStats),
		Pids:    int64(s.PidsStats.Current),
	}}, true
}

// usageSince gives the usage at s, with the CPU percent since an older sample of
// the same run.
func (s *sample) usageSince(older *sample) api.Usage {
	usage := s.Usage
	if elapsed := s.Time.Sub(older.Time.Time); elapsed > 0 {
		usage.CPU.Percent = 100 * float64(s.cpu-older.cpu) / float64(elapsed)
	}
	return usage
}

// memoryOf leaves out the page cache that can be dropped at any time. Version 1
// of cgroups counts it for the whole container under another name.
func memoryOf(s container.MemoryStats) api.MemoryUsage {
	cache, ok := s.Stats["total_inactive_file"]
	if !ok {
		cache = s.Stats["inactive_file"]
	}
	usage := api.MemoryUsage{Usage: int64(s.Usage - min(cache, s.Usage)), Limit: int64(s.Limit)}
	if usage.Limit > 0 {
		usage.Percent = 100 * float64(usage.Usage) / float64(usage.Limit)
	}
	return usage
}

func networkOf(interfaces map[string]container.NetworkStats) (sum api.NetworkUsage) {
	for _, one := range interfaces {
		sum.Received += int64(one.RxBytes)
		sum.Sent += int64(one.TxBytes)
	}
	return sum
}

func diskOf(s container.BlkioStats) (sum api.DiskUsage) {
	for _, entry := range s.IoServiceBytesRecursive {
		switch strings.ToLower(entry.Op) {
		case "read":
			sum.Read += int64(entry.Value)
		case "write":
			sum.Written += int64(entry.Value)
		}
	}
	return sum
}

// coresOf gives the CPU limit of a container, 0 for none.
func coresOf(c container.InspectResponse) float64 {
	switch host := c.HostConfig; {
	case host.NanoCPUs > 0:
		return float64(host.NanoCPUs) / 1e9
	case host.CPUQuota > 0 && host.CPUPeriod > 0:
		return float64(host.CPUQuota) / float64(host.CPUPeriod)
	}
	return 0
}
