package e2e

import (
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// BenchmarkFirstAnswer is how soon the first page comes from the domain of an app
// of which there is a git URL, beside git clone, docker build, docker run and a
// poll of its port, at the same engine: on the network that all containers share,
// and on one of its own, which ours always has.
func BenchmarkFirstAnswer(b *testing.B) {
	d := startDaemon(b)
	w := d.connect(b)
	repo := newRepository(b, game)
	ours := func() time.Duration {
		repo.Commit(files{"nonce": rand.Text()})
		began := time.Now()
		ask[api.Build](w, "build", []any{"game", repo.URL})
		c := ask[api.Container](w, "create", []any{"game", "game1"})
		d.fetch(b, c.Domain, http.StatusOK)
		took := time.Since(began)
		ask[api.Container](w, "remove", []any{c.Name})
		return took
	}
	theirs := func(b *testing.B, prepare func() string) func() time.Duration {
		return func() time.Duration {
			repo.Commit(files{"nonce": rand.Text()})
			return byHand(b, repo.URL, prepare)
		}
	}
	b.Run("shared", func(b *testing.B) { enginetest.Compare(b, ours, theirs(b, func() string { return "bridge" })) })
	b.Run("own", func(b *testing.B) {
		const network = "dockwire-bench-by-hand"
		enginetest.Compare(b, ours, theirs(b, func() string {
			return enginetest.ByHand(b, "docker", "network", "create", network)
		}))
	})
}

// byHand does it with git and docker, on the network that there is then, and
// gives how long it took.
func byHand(b *testing.B, url string, network func() string) time.Duration {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "clone")
	defer os.RemoveAll(dir)
	began := time.Now()
	enginetest.ByHand(b, "git", "clone", "--quiet", "--depth", "1", url, dir)
	image := enginetest.ByHand(b, "docker", "build", "--quiet", dir)
	on := network()
	id := enginetest.ByHand(b, "docker", "run", "--detach", "--network", on, "--publish", "127.0.0.1::8080", image)
	poll(b, "http://"+enginetest.ByHand(b, "docker", "port", id, "8080")+"/")
	took := time.Since(began)
	enginetest.ByHand(b, "docker", "rm", "--force", id)
	enginetest.ByHand(b, "docker", "rmi", image)
	if on != "bridge" {
		enginetest.ByHand(b, "docker", "network", "rm", on)
	}
	return took
}

// poll asks until the answer is 200.
func poll(b *testing.B, url string) {
	b.Helper()
	for deadline := time.Now().Add(patience); ; {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			b.Fatal("the app does not answer:", err)
		}
	}
}
