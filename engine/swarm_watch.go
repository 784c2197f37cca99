package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
)

// Diff gives what differs from the image in each replica that runs, by path.
func (s *Swarm) Diff(ctx context.Context, name, path string) ([]api.Change, error) {
	if path != "" && !strings.HasPrefix(path, "/") {
		return nil, invalid("path", "path %s is not allowed: give an absolute path", quote(path))
	}
	r, m, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	tasks, found, errs := eachReplica(ctx, s, m, r, func(ctx context.Context, cli *client.Client, t *task) ([]container.FilesystemChange, error) {
		return within(ctx, diffTimeout, func(ctx context.Context) ([]container.FilesystemChange, error) {
			return cli.ContainerDiff(ctx, t.container)
		})
	})
	if err := errors.Join(errs...); err != nil {
		return nil, firstOf(errs)
	}
	changes := []api.Change{}
	for i, t := range tasks {
		for _, change := range changesBelow(found[i], strings.TrimRight(path, "/")) {
			change.Replica = t.Replica
			changes = append(changes, change)
		}
	}
	slices.SortFunc(changes, func(a, b api.Change) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Replica, b.Replica))
	})
	return changes, nil
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckTop checks parameters as Engine.CheckTop does.
func (s *Swarm) CheckTop(p api.TopParams) error { return s.managers[0].CheckTop(p) }

// Top answers what the replicas of the service called name use now, and their
// sum. The CPU percent is that of about a second, for which it waits.
func (s *Swarm) Top(ctx context.Context, name string) (api.Usage, error) {
	for update, err := range s.FollowTop(ctx, name, api.TopParams{}) {
		if err == nil && update.State == api.StreamPaused {
			_, err = s.ready(ctx)
		}
		if err != nil || update.State == "" {
			return update.Usage, err
		}
	}
	return api.Usage{}, notFound(kindContainer, name, "%s was removed meanwhile", name)
}

// FollowTop samples what the service called name uses, as Engine.FollowTop does.
// A replica whose node does not tell has an error in its place.
func (s *Swarm) FollowTop(ctx context.Context, name string, p api.TopParams) iter.Seq2[UsageUpdate, error] {
	return func(yield func(UsageUpdate, error) bool) {
		err := s.followTop(ctx, name, p, func(u UsageUpdate) bool { return yield(u, nil) })
		if err != nil && !errors.Is(err, errLeft) {
			yield(UsageUpdate{}, err)
		}
	}
}

func (s *Swarm) followTop(ctx context.Context, name string, p api.TopParams, yield func(UsageUpdate) bool) error {
	step, err := stepOf(p.Interval)
	if err != nil {
		return err
	}
	r, m, err := s.find(ctx, name)
	if err == nil && r.Serving == 0 && !p.Follow {
		return notRunning(r)
	}
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Duration(step) * time.Second)
	defer tick.Stop()
	for f := (topFollower{Swarm: s, yield: yield, last: s.sample(ctx, m, r)}); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now, there := s.state.get(name)
		if !there || now.ID != r.ID {
			return nil
		}
		if now.Serving == 0 && !p.Follow && s.Up() {
			return notRunning(now)
		}
		if err := f.turn(ctx, now); err != nil {
			return err
		}
	}
}

// topFollower is one caller's way along the samples of a service.
type topFollower struct {
	*Swarm
	yield func(UsageUpdate) bool
	away  bool // the caller was told so last
	last  map[string]replicaSample
}

// turn takes a sample, unless the swarm is away.
func (f *topFollower) turn(ctx context.Context, r *record) error {
	m, err := f.manager()
	if away := err != nil || !f.Up(); away != f.away {
		f.away = away
		if !f.yield(UsageUpdate{State: pausedOrResumed(away)}) {
			return errLeft
		}
	}
	if f.away {
		return nil
	}
	next := f.sample(ctx, m, r)
	usage, any := usageOf(r.Name, next, f.last)
	f.last = next
	if any && !f.yield(UsageUpdate{Usage: usage}) {
		return errLeft
	}
	return nil
}

func pausedOrResumed(paused bool) string {
	if paused {
		return api.StreamPaused
	}
	return api.StreamResumed
}

// replicaSample is a sample of one replica, or why there is none.
type replicaSample struct {
	*sample
	task *task
	err  error
}

// sample takes one of each replica that runs, by its container's id.
func (s *Swarm) sample(ctx context.Context, m *manager, r *record) map[string]replicaSample {
	tasks, found, errs := eachReplica(ctx, s, m, r, func(ctx context.Context, cli *client.Client, t *task) (*sample, error) {
		return ask(ctx, func(ctx context.Context) (*sample, error) { return sampleContainer(ctx, cli, r.Name, t.container) })
	})
	samples := map[string]replicaSample{}
	for i, t := range tasks {
		samples[t.container] = replicaSample{found[i], t, errs[i]}
	}
	return samples
}

func sampleContainer(ctx context.Context, cli *client.Client, name, id string) (*sample, error) {
	stats, err := cli.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return nil, err
	}
	defer stats.Body.Close()
	var raw container.StatsResponse
	if err := json.NewDecoder(stats.Body).Decode(&raw); err != nil {
		return nil, err
	}
	taken, running := sampleOf(name, &raw, 0)
	if !running {
		return nil, errors.New("its container has just ended")
	}
	return taken, nil
}

// usageOf gives the usage of all replicas since their last samples. There is
// none if no replica has two.
func usageOf(name string, next, last map[string]replicaSample) (sum api.Usage, any bool) {
	sum = api.Usage{Name: name, Time: api.Time{Time: time.Now().UTC()}}
	for id, now := range next {
		before, known := last[id]
		one := api.ReplicaUsage{Replica: now.task.Replica, Node: now.task.Node}
		switch {
		case now.err != nil:
			one.Error = now.err.Error()
			any = true
		case known && before.err == nil:
			usage := now.usageSince(before.sample)
			one.CPU, one.Memory, one.Network, one.Disk, one.Pids = usage.CPU, usage.Memory, usage.Network, usage.Disk, usage.Pids
			any = true
		default:
			continue
		}
		sum.Replicas = append(sum.Replicas, one)
		addUsage(&sum, one)
	}
	slices.SortFunc(sum.Replicas, func(a, b api.ReplicaUsage) int { return cmp.Compare(a.Replica, b.Replica) })
	if sum.Memory.Limit > 0 {
		sum.Memory.Percent = 100 * float64(sum.Memory.Usage) / float64(sum.Memory.Limit)
	}
	return sum, any
}

func addUsage(sum *api.Usage, one api.ReplicaUsage) {
	sum.CPU.Percent += one.CPU.Percent
	sum.CPU.Limit += one.CPU.Limit
	sum.Memory.Usage += one.Memory.Usage
	sum.Memory.Limit += one.Memory.Limit
	sum.Network.Received += one.Network.Received
	sum.Network.Sent += one.Network.Sent
	sum.Disk.Read += one.Disk.Read
	sum.Disk.Written += one.Disk.Written
	sum.Pids += one.Pids
}
