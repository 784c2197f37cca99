package enginetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"path"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// Put writes a file into a container, in a directory that it has.
func Put(t testing.TB, id, file, text string) {
	t.Helper()
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	err := w.WriteHeader(&tar.Header{Name: path.Base(file), Mode: 0o644, Size: int64(len(text))})
	_, werr := w.Write([]byte(text))
	if err := errors.Join(err, werr, w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := Client(t).CopyToContainer(t.Context(), id, path.Dir(file), &files, container.CopyToContainerOptions{}); err != nil {
		t.Fatalf("%s could not be written: %v", file, err)
	}
}
