package torture

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// base begins a Dockerfile that needs no registry: its only program is the
// tests' probe. The nonce keeps the steps after it out of the engine's cache.
const base = "FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\nCOPY nonce /\n"

// repository serves a repository with such a Dockerfile, until the test ends,
// and gives its URL.
func repository(t testing.TB, server *gittest.Server, name, instructions string) string {
	t.Helper()
	repo := server.Repo(name, nil)
	repo.Write("probe", string(enginetest.Program(t)), 0o755)
	repo.Commit(map[string]string{"Dockerfile": base + instructions, "nonce": rand.Text()})
	return repo.URL
}

// build builds an image of such a Dockerfile.
func build(t testing.TB, c *client.Client, name, instructions string) {
	t.Helper()
	url := repository(t, gittest.NewServer(t), name, instructions)
	if _, err := c.Build(t.Context(), api.BuildParams{Name: name, URL: url}, nil); err != nil {
		t.Fatalf("building %s: %v", name, err)
	}
}

// must fails the test if what it is given is an error.
func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func ptr[T any](value T) *T { return &value }

// removeAll removes all containers, with their volumes, and all images.
func (d *daemon) removeAll(ctx context.Context, c *client.Client) error {
	containers, err := c.List(ctx)
	for _, container := range containers {
		_, failed := c.Remove(ctx, api.RemoveParams{Name: container.Name, Volumes: true})
		err = errors.Join(err, failed)
	}
	images, failed := c.Images(ctx)
	err = errors.Join(err, failed)
	removed := map[string]bool{}
	for _, image := range images {
		name, _, _ := strings.Cut(image.Name, ":")
		if !removed[name] {
			removed[name] = true
			_, failed := c.RemoveImage(ctx, name)
			err = errors.Join(err, failed)
		}
	}
	return err
}
