package engine

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// smallDisk gives a directory on a file system of 8 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatalf("a small file system is needed, and root to mount it: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func fillDisk(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "filler")
	if err := os.WriteFile(file, make([]byte, 9<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return file
}

func TestANearlyFullDiskRefusesBuildsAndPulls(t *testing.T) {
	w := newWorkshop(t, "auto")
	w.cfg.TempDir, w.cfg.AllowImages = smallDisk(t), []string{"localhost:1/*"}
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
	w.mustBuild(p)

	filler := fillDisk(t, w.cfg.TempDir)
	_, out, err := w.try(p)
	full := wantClass(t, err, TooBusy, "the disk of the daemon's state has ")
	if full.Data.Limit != "disk" || len(out.lines) > 0 || strings.Contains(full.Reason, w.cfg.TempDir) {
		t.Errorf("%s, limit %s, after %v", full.Reason, full.Data.Limit, out.lines)
	}
	_, err = w.Create(t.Context(), api.CreateParams{Image: "localhost:1/x", Name: w.name("web")}, "")
	wantClass(t, err, TooBusy, "stay free")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.mustBuild(p)
	w.cfg.MinFree = 1 << 60
	_, _, err = w.try(p)
	wantClass(t, err, TooBusy, "1EiB have to stay free")
	w.cfg.TempDir = t.TempDir()
	w.cfg.MinFree = 0
}

func TestKeptClonesMakeRoomOnANearlyFullDisk(t *testing.T) {
	w := newWorkshop(t, "auto")
	temp, small := w.cfg.TempDir, smallDisk(t)
	w.cfg.TempDir, w.cfg.CacheDir, w.cfg.MinFree = filepath.Join(small, "clones"), filepath.Join(small, "kept"), 1
	if err := w.openClones(); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 3<<20)
	rand.Read(noise)
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n", "noise": string(noise)})
	w.mustBuild(api.BuildParams{Name: w.name("app"), URL: repo.URL})
	kept := func() int {
		t.Helper()
		entries, err := os.ReadDir(w.cfg.CacheDir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if kept() != 1 {
		t.Fatalf("%d clones are kept", kept())
	}
	w.cfg.MinFree = 6 << 20
	if err := w.checkDisks(); err != nil || kept() != 0 {
		t.Errorf("%d clones are kept: %v", kept(), err)
	}
	w.cfg.TempDir, w.cfg.MinFree = temp, 0
}

func TestTheEnginesDiskCountsToo(t *testing.T) {
	w := newWorkshop(t, "auto")
	disks := w.disks()
	if len(disks) != 2 || disks[1].dir != w.info.Load().DockerRootDir {
		t.Fatalf("they are %v", disks)
	}
	if free, want, known := disks[1].room(0); !known || free <= 0 || want <= 0 || want > minFree {
		t.Errorf("%d free, %d wanted, %v", free, want, known)
	}
	if _, _, known := (disk{dir: "/nowhere"}).room(0); known {
		t.Error("a disk that is not here is known")
	}
}

func TestABuildThatFillsADiskIsStopped(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		temp := w.cfg.TempDir
		w.cfg.TempDir = smallDisk(t)
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\n" + `RUN ["/probe", "lines", "-every", "47ms"]` + "\n"})
		p, err := w.CheckBuild(api.BuildParams{Name: w.name("app"), URL: repo.URL})
		if err != nil {
			t.Fatal(err)
		}
		out := newTranscript()
		go func() {
			for line := range out.said {
				if line == "stdout line 000001" {
					fillDisk(t, w.cfg.TempDir)
				}
			}
		}()
		_, err = w.Build(t.Context(), p, w.name("b1"), out)
		close(out.said)
		if full := wantClass(t, err, TooBusy, "the disk of the daemon's state has "); full.Data.Limit != "disk" {
			t.Errorf("the limit is %s", full.Data.Limit)
		}
		if err := os.Remove(filepath.Join(w.cfg.TempDir, "filler")); err != nil {
			t.Error(err)
		}
		w.mustBeIdle()
		w.cfg.TempDir = temp
	})
}
