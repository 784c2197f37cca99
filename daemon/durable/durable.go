// Package durable writes files so that they are there whole or not at all,
// whenever the machine stops.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// WriteFile puts data at path with mode 0600. When it returns nil the data is
// on disk; when it fails, or the machine stops in the middle, what was at path
// before is still there. What root writes belongs to the owner of the
// directory, so that a daemon that is not root can read what a command wrote.
func WriteFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, tempPrefix+"*") // of mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := errors.Join(giveAway(temp, dir), fill(temp, data)); err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

const tempPrefix = ".new-"

var tempName = regexp.MustCompile(`^\` + tempPrefix + `[0-9]+$`)

// Tidy removes from a directory what a WriteFile left that was cut off, by a
// kill or a failure of power. It does so in this directory only, not below it,
// and touches no other file. Nothing may be writing there meanwhile.
func Tidy(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if entry.Type().IsRegular() && tempName.MatchString(entry.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	return err
}

// giveAway gives a file of root's to the owner of its directory.
func giveAway(file *os.File, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 { // a service of systemd may not give files away
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

func fill(file *os.File, data []byte) error {
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// syncDir makes a rename in a directory last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
