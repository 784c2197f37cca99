package enginetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many requests about a crowd the engine gets at once.
const atOnce = 8

// Crowd makes n containers of the instance as a daemon would have left them, and
// gives their names. They are of the image, a probe's; the first of them, as many
// as running says, serve HTTP on port 8080, and the others were never started.
// Disperse removes them; when it was not called, they are removed when the test
// ends.
func Crowd(t testing.TB, instance, image string, n, running int) (names []string, disperse func()) {
	t.Helper()
	cli := Client(t)
	names, ids := make([]string, n), make([]string, n)
	disperse = sync.OnceFunc(func() { removeAll(t, ids) })
	t.Cleanup(disperse)
	err := forEach(n, func(i int) (err error) {
		names[i] = fmt.Sprintf("crowd-%03d-%s", i, instance)
		ids[i], err = member(t.Context(), cli, instance, image, names[i], i < running)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, disperse
}

func member(ctx context.Context, cli *client.Client, instance, image, name string, running bool) (id string, err error) {
	config := &container.Config{Image: image, Cmd: []string{"serve"}, Env: []string{"PORT=8080", "DOMAIN=" + name + ".localhost"}, Labels: map[string]string{
		"io.dockwire.instance": instance, "io.dockwire.kind": "container", "io.dockwire.name": name,
		"io.dockwire.image": "game", "io.dockwire.port": "8080", "io.dockwire.start": strconv.FormatBool(running),
		"io.dockwire.commit": "0123456789abcdef0123456789abcdef01234567",
	}}
	made, err := cli.ContainerCreate(ctx, config, &container.HostConfig{NetworkMode: "bridge"}, nil, nil, name)
	if err == nil && running {
		err = cli.ContainerStart(ctx, made.ID, container.StartOptions{})
	}
	return made.ID, err
}

func removeAll(t testing.TB, ids []string) {
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()) // that of the test is closed by now
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	err = forEach(len(ids), func(i int) error {
		err := cli.ContainerRemove(context.Background(), ids[i], container.RemoveOptions{Force: true})
		if ids[i] == "" || errdefs.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Errorf("the crowd could not be removed: %v", err)
	}
}

func forEach(n int, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}
