package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// Bounds are what a step of a build may use. BuildKit's steps have them where
// Boundable says so, the classic builder's always.
type Bounds struct {
	Memory int64   // bytes, swap included
	CPUs   float64 // cores
	Pids   int64   // processes and threads
}

const (
	maxFiles  = 8192
	shmSize   = 64 << 20
	cpuPeriod = 100_000
)

func (b Bounds) cpuQuota() int64 { return int64(b.CPUs * cpuPeriod) }

// files are the files of a cgroup that bound what is in it, of both versions.
func (b Bounds) files() []struct{ name, value string } {
	memory, quota := strconv.FormatInt(b.Memory, 10), strconv.FormatInt(b.cpuQuota(), 10)
	return []struct{ name, value string }{
		{"pids.max", strconv.FormatInt(b.Pids, 10)},
		{"memory.limit_in_bytes", memory},
		{"memory.memsw.limit_in_bytes", memory},
		{"memory.max", memory},
		{"memory.swap.max", "0"},
		{"cpu.cfs_quota_us", quota},
		{"cpu.max", fmt.Sprintf("%s %d", quota, cpuPeriod)},
	}
}

// Boundable says why BuildKit's steps cannot be bounded by this process, if so.
// The engine takes no bounds for them, so they are put on the steps' cgroups
// from outside, by root on the engine's own host. That this is the engine's
// host is for the caller to know.
func Boundable() error {
	for _, dir := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		// Root may need no power of its own for the files, though the directory
		// is read-only for its owner too.
		switch err := unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil || os.Geteuid() != 0:
			return errors.New("this process may not write to the cgroups of " + dir)
		default:
			return nil
		}
	}
	return errors.New("there are no cgroups in /sys/fs/cgroup")
}

// boundClassic bounds the processes of a step of the classic builder, which has
// no option for that, before its container is started or soon after. The id is
// what the build's output says, and that may be the words of the program that
// runs: only a container in the network of this build is touched.
func boundClassic(ctx context.Context, cli *client.Client, id string, o Options) {
	found, err := cli.ContainerInspect(ctx, id)
	if err == nil && string(found.HostConfig.NetworkMode) == o.Network {
		update := container.UpdateConfig{Resources: container.Resources{PidsLimit: &o.Bounds.Pids}}
		_, err = cli.ContainerUpdate(ctx, found.ID, update)
	}
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) && ctx.Err() == nil {
		o.Warn(fmt.Errorf("the processes of a step of a build are not bounded: %w", err))
	}
}
