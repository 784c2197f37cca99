package engine

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/docker/go-units"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// What is left free of a disk, unless the configuration says so: 1 GiB, or of a
// small disk a twentieth.
const (
	minFree      = 1 << 30
	minFreeShare = 20
)

// disk is one that builds and pulls fill.
type disk struct{ dir, whose string }

// disks are those of the clones and, if it is on this host, of the engine.
func (e *Engine) disks() []disk {
	all := []disk{{cmp.Or(e.cfg.TempDir, os.TempDir()), "the disk of the daemon's state"}}
	if info := e.info.Load(); info != nil && onThisHost(info) == nil {
		all = append(all, disk{info.DockerRootDir, "the engine's disk"})
	}
	return all
}

// checkDisks refuses to fill a disk on which the host needs what is left.
func (e *Engine) checkDisks() error {
	for _, d := range e.disks() {
		free, want, known := d.room(e.cfg.MinFree)
		if known && free < want {
			free, want, known = e.makeRoom(d)
		}
		if known && free < want {
			return &Error{
				Class: TooBusy,
				Reason: fmt.Sprintf("%s has %s left, and %s have to stay free: remove images that are not needed, or have the administrator make room",
					d.whose, units.BytesSize(float64(free)), units.BytesSize(float64(want))),
				Data: api.ErrorData{Limit: "disk"},
			}
		}
	}
	return nil
}

// makeRoom gives up the clones that are kept, and says what room there is then.
func (e *Engine) makeRoom(d disk) (free, want int64, known bool) {
	if err := e.repositories.Clear(); err != nil {
		e.log.Warn("clones that are kept could not be removed", zap.Error(err))
	}
	return d.room(e.cfg.MinFree)
}

// room is Room of the disk. One that cannot be looked at, such as that of an
// engine in a virtual machine, is not known.
func (d disk) room(wanted int64) (free, want int64, known bool) {
	free, want, err := Room(d.dir, wanted)
	return free, want, err == nil
}

// Room says how many bytes are free on the disk of a directory, and how many
// builds and pulls leave free there, if Config.MinFree is wanted.
func Room(dir string, wanted int64) (free, want int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	block := int64(fs.Bsize)
	want = cmp.Or(wanted, min(minFree, int64(fs.Blocks)*block/minFreeShare))
	return int64(fs.Bavail) * block, want, nil
}

// lookAtDisksEvery is how soon work that fills a disk is stopped.
const lookAtDisksEvery = time.Second

// whileDisksLast gives a context that ends, with the reason, when ctx does or
// when a disk is nearly full.
func (e *Engine) whileDisksLast(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(lookAtDisksEvery)
		defer tick.Stop()
		for {
			if err := e.checkDisks(); err != nil {
				cancel(err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-stopped }
}
