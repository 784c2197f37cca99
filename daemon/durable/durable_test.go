package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestWriteFileReplacesTheWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, want := range []string{"a long first text", "short", ""} {
		if err := WriteFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

func TestWriteFileThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("x")); err == nil {
		t.Fatal("a directory was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left: %v, %v", entries, err)
	}
}

func TestTidyRemovesWhatAWriteLeftThatWasCutOffAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	temp, err := os.CreateTemp(dir, tempPrefix+"*") // as WriteFile begins
	if err != nil {
		t.Fatal(err)
	}
	temp.WriteString("half of")
	temp.Close()
	others := []string{"file", ".new", ".new-", ".new-notes", "x.new-1", filepath.Join("below", ".new-1")}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "below"), 0o700), os.Mkdir(filepath.Join(dir, ".new-2"), 0o700),
		os.Symlink("file", filepath.Join(dir, ".new-3"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Tidy(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(temp.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", temp.Name(), err)
	}
	for _, name := range append(others, ".new-2", ".new-3") {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if err := Tidy(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a directory that is not there it says %v", err)
	}
}

func TestWhatRootWritesBelongsToTheOwnerOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	if err := WriteFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != nobody || owner.Gid != nobody {
		t.Errorf("it belongs to %d:%d", owner.Uid, owner.Gid)
	}
}

func TestEveryWriteGivesAnotherVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	last := VersionOf(path)
	if last != (Version{}) {
		t.Errorf("a file that is not there has the version %v", last)
	}
	for range 3 {
		if err := WriteFile(path, []byte("the same")); err != nil {
			t.Fatal(err)
		}
		v := VersionOf(path)
		if v == last || v != VersionOf(path) {
			t.Errorf("version %v after %v", v, last)
		}
		last = v
	}
}

// What could not be read can be read once its mode is mended, or its owner.
func TestWhoMayReadAFileIsPartOfItsVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	before := VersionOf(path)
	for late := time.Now().Add(10 * time.Second); VersionOf(path) == before; time.Sleep(time.Millisecond) { // the clock of files is a coarse one
		if time.Now().After(late) {
			t.Fatal("a file of another mode has the version that it had")
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}
