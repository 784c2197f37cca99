package engine

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

func TestImagesAreListedByNameWithTheirContainers(t *testing.T) {
	f := setUp(t)
	if all, err := f.Images(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("without an image they are %v, %v", all, err)
	}
	b, a := f.build("b"), f.build("a")
	c := f.create(api.CreateParams{Image: b + ":" + testCommit, Name: f.name("web")})
	all, err := f.Images(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("they are %+v, %v", all, err)
	}
	if all[0].Name != a || len(all[0].Containers) != 0 || all[0].Containers == nil {
		t.Errorf("the first is %+v", all[0])
	}
	if got := all[1]; got.Name != b || !slices.Equal(got.Containers, []string{c.Name}) || got.URL != "https://example.com/game.git" ||
		got.Ref != "main" || got.Commit != testCommit || got.Size == 0 || got.Created.IsZero() {
		t.Errorf("the second is %+v", got)
	}
	one, err := f.Image(t.Context(), c.Name)
	if err != nil || one.ID != all[1].ID || one.Created != all[1].Created || one.Size != all[1].Size || one.Name != c.Image {
		t.Errorf("the image of %s is %+v, %v", c.Name, one, err)
	}
}

func TestAnImageInUseIsNotRemoved(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	c := f.create(api.CreateParams{Image: image, Name: f.name("web")})
	for _, name := range []string{image, image + ":" + testCommit} {
		_, err := f.RemoveImage(t.Context(), name)
		if known := wantClass(t, err, Conflict, c.Name); known.Data.Holder != c.Name {
			t.Errorf("the holder is %q", known.Data.Holder)
		}
	}
	_, err := f.RemoveImage(t.Context(), f.name("nosuch"))
	wantClass(t, err, NotFound, "nosuch")
	_, err = f.RemoveImage(t.Context(), "../x")
	wantClass(t, err, Invalid, "name")
}

func TestRemovingANameRemovesAllItsBuilds(t *testing.T) {
	f := setUp(t)
	image := f.retag(f.build("game"), "fedcba9876")
	removed, err := f.RemoveImage(t.Context(), image)
	if err != nil || removed.Name != image || removed.Commit != testCommit {
		t.Errorf("it answered %+v, %v", removed, err)
	}
	if all, err := f.Images(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("what is left is %+v, %v", all, err)
	}
}

func TestRemovingABuildRemovesItThoughItIsTheLatest(t *testing.T) {
	f := setUp(t)
	image := f.retag(f.build("game"), "fedcba9876")
	removed, err := f.RemoveImage(t.Context(), image+":"+testCommit)
	if err != nil || removed.Commit != testCommit {
		t.Errorf("it answered %+v, %v", removed, err)
	}
	all, err := f.Images(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != image+":fedcba9876" {
		t.Errorf("what is left is %+v, %v", all, err)
	}
}

func TestWhyAnImageIsNotRemovedIsSaid(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	image := f.build("game")
	id := f.runForeign(image, f.name("foreign"))
	t.Cleanup(func() {
		if err := f.docker.ContainerRemove(context.Background(), id, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	proxy.Inject(0, faults.Rule{Match: regexp.MustCompile("^DELETE /images/"), Times: 1, Lose: true})
	_, err := f.RemoveImage(t.Context(), image)
	if lost := wantClass(t, err, Unavailable, "cannot be reached"); strings.Contains(lost.Reason, "use") {
		t.Errorf("of an engine that went away it says %q", lost.Reason)
	}
	_, err = f.RemoveImage(t.Context(), image)
	wantClass(t, err, Conflict, "that is not ours uses it")
}

// retag gives an image's tags away: image:latest is another build from now on.
func (f *fixture) retag(image, commit string) string {
	f.t.Helper()
	other := f.build("other", "ENV A=B")
	if err := f.docker.ImageTag(f.t.Context(), repository+other, repository+image+":"+commit); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.RemoveImage(f.t.Context(), other); err != nil {
		f.t.Fatal(err)
	}
	return image
}

func TestNamesOfTagsListTheLatestBuildOnce(t *testing.T) {
	for _, c := range []struct{ tags, want []string }{
		{nil, nil},
		{[]string{"localhost/dockwire/a:latest", "localhost/dockwire/a:0123abc"}, []string{"a"}},
		{[]string{"localhost/dockwire/a:0123abc"}, []string{"a:0123abc"}},
		{[]string{"localhost/dockwire/a:latest", "localhost/dockwire/b:0123abc", "mine:1"}, []string{"a", "b:0123abc"}},
	} {
		if got := (&Engine{repository: repository}).namesOf(c.tags); !slices.Equal(got, c.want) {
			t.Errorf("%v gave %v, want %v", c.tags, got, c.want)
		}
	}
}
