package durable

import (
	"os"
	"syscall"
)

// Version tells one content of a file from another without reading it, as far
// as the file system says. Versions are compared with ==. The zero Version is
// that of a file that is not there, or cannot be seen. A file that others may
// read than before has another Version, too.
type Version struct {
	inode          uint64
	size, modified int64
	changed        int64 // or its owner or mode
}

// VersionOf gives the version of the file that path leads to now. A file that
// WriteFile has replaced always has another.
func VersionOf(path string) Version {
	info, err := os.Stat(path)
	if err != nil {
		return Version{}
	}
	v := Version{size: info.Size(), modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		v.inode, v.changed = stat.Ino, stat.Ctim.Nano()
	}
	return v
}
