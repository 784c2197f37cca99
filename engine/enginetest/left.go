package enginetest

import (
	"context"
	"net/netip"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/engine/firewall"
)

// NothingLeft fails the test if the engine still has anything that carries the
// label of the instance. Call it last, when what the test made is removed. The
// chain of a daemon that was killed is removed here.
func NothingLeft(t testing.TB, instance string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cleanup)
	defer cancel()
	if err := firewall.New(instance, netip.Prefix{}).Remove(ctx); err != nil {
		t.Error(err)
	}
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()) // Client(t) is closed by now
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	ours := filters.NewArgs(filters.Arg("label", "io.dockwire.instance="+instance))
	containers, err := cli.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	if err != nil {
		t.Error(err)
	}
	for _, c := range containers {
		t.Errorf("the container %v is left", c.Names)
	}
	images, err := cli.ImageList(ctx, image.ListOptions{All: true, Filters: ours})
	if err != nil {
		t.Error(err)
	}
	for _, i := range images {
		t.Errorf("the image %s %v is left", i.ID, i.RepoTags)
	}
	networks, err := cli.NetworkList(ctx, network.ListOptions{Filters: ours})
	if err != nil {
		t.Error(err)
	}
	for _, n := range networks {
		t.Errorf("the network %s is left", n.Name)
	}
	volumes, err := cli.VolumeList(ctx, volume.ListOptions{Filters: ours})
	if err != nil {
		t.Error(err)
	}
	for _, v := range volumes.Volumes {
		t.Errorf("the volume %s is left", v.Name)
	}
}
