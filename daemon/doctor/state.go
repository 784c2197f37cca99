package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"github.com/dockwire/dockwire/engine"
)

// stateDir sees whether the daemon could keep its state.
func (f *findings) stateDir(dir string) {
	const check = "state directory"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.newStateDir(dir)
	case err != nil:
		f.fail(check, "run this as the daemon's user, or give another --state-dir", "%s", err)
	case !info.IsDir():
		f.fail(check, "give another --state-dir", "%s is not a directory", dir)
	case unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) != nil:
		f.fail(check, "run this as the daemon's user, or give another --state-dir", "this user may not write to %s", dir)
	case info.Mode().Perm()&0o077 != 0:
		f.warn(check, "chmod 700 "+dir, "others can look into %s, where tokens are kept", dir)
	case locked(filepath.Join(dir, "lock")):
		f.ok(check, "%s, which a daemon uses now", dir)
	default:
		f.ok(check, "%s", dir)
	}
}

func (f *findings) newStateDir(dir string) {
	above := existing(dir)
	if unix.Access(above, unix.W_OK|unix.X_OK) != nil {
		f.fail("state directory", "run this as the daemon's user, or give another --state-dir",
			"%s does not exist, and this user may not make it in %s", dir, above)
		return
	}
	f.ok("state directory", "%s, which is made at the first start", dir)
}

// existing gives the nearest directory at or above dir that is there.
func existing(dir string) string {
	dir, err := filepath.Abs(dir)
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
	}
	return dir
}

// locked says whether a daemon holds the lock of a state directory.
func locked(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// scarce is what is little for builds.
const scarce = 5 << 30

// disk looks at the file systems of the state and of the engine's data, of
// which the latter may be "".
func (f *findings) disk(s Subject, root string) {
	f.free("disk of the state", existing(s.StateDir), s.Engine.MinFree)
	if root != "" {
		f.free("disk of the engine", root, s.Engine.MinFree)
	}
}

func (f *findings) free(check, dir string, wanted int64) {
	free, least, err := engine.Room(dir, wanted)
	if err != nil {
		f.warn(check, "run this as root, which may look", "%s cannot be looked at: %s", dir, err)
		return
	}
	const fix = "make room: dockwire rmi removes images, docker system df says what else there is"
	switch text := units.BytesSize(float64(free)) + " free at " + dir; {
	case free < least:
		f.fail(check, fix, "%s: builds are refused", text)
	case free < max(least, scarce):
		f.warn(check, fix, "%s: that is little for builds", text)
	default:
		f.ok(check, "%s", text)
	}
}
