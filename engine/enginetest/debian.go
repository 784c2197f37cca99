package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Debian is an image of a small Debian with nginx, redis, postgres and tini, to
// make ordinary images of. Its root file system is made by make tools.
type Debian struct {
	cli *client.Client
	id  string
}

// NewDebian imports a Debian, which is removed when the test ends: images made
// of it must be gone by then.
func NewDebian(t testing.TB) *Debian {
	t.Helper()
	file, err := os.Open(filepath.Join(moduleRoot(t), ".cache", "debian.tar"))
	if err != nil {
		t.Fatalf("the tests need a Debian: run make tools: %v", err)
	}
	defer file.Close()
	d := &Debian{cli: Client(t)}
	d.id, err = importImage(t.Context(), d.cli, file, nil)
	if err != nil {
		t.Fatalf("the Debian could not be imported: %v", err)
	}
	t.Cleanup(func() { d.remove(t, d.id) })
	return d
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(mod)))
}

// Image makes an image of the Debian with the configuration and files, by path,
// which can be executed. It is tagged so, and removed when the test ends.
func (d *Debian) Image(t testing.TB, tag string, config *container.Config, files map[string]string) {
	t.Helper()
	made, err := d.cli.ContainerCreate(t.Context(), &container.Config{Image: d.id, Cmd: []string{"true"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer d.cli.ContainerRemove(context.WithoutCancel(t.Context()), made.ID, container.RemoveOptions{})
	archive, err := archiveOf(files)
	if err == nil {
		err = d.cli.CopyToContainer(t.Context(), made.ID, "/", archive, container.CopyToContainerOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.cli.ContainerCommit(t.Context(), made.ID, container.CommitOptions{Reference: tag, Config: config}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.remove(t, tag) })
}

func archiveOf(files map[string]string) (io.Reader, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	var errs []error
	for path, text := range files {
		err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o755, Size: int64(len(text))})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		errs = append(errs, err)
	}
	return &archive, errors.Join(append(errs, w.Close())...)
}

func (d *Debian) remove(t testing.TB, ref string) {
	ctx, cancel := context.WithTimeout(context.Background(), cleanup)
	defer cancel()
	if _, err := d.cli.ImageRemove(ctx, ref, image.RemoveOptions{Force: true}); err != nil {
		t.Errorf("the image %s could not be removed: %v", ref, err)
	}
}
