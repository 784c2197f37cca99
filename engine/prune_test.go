package engine

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// buildsLeft gives the commits of the builds that the engine has of an image, by
// their ids; those without a tag are "none".
func (w *workshop) buildsLeft(name string) map[string]string {
	w.t.Helper()
	found, err := w.docker.ImageList(w.t.Context(), image.ListOptions{Filters: w.ours(kindImage, filters.Arg("label", labelName+"="+name))})
	if err != nil {
		w.t.Fatal(err)
	}
	left := map[string]string{}
	for _, i := range found {
		left[i.ID] = i.Labels[labelCommit]
		if len(w.namesOf(i.RepoTags)) == 0 {
			left[i.ID] = "none"
		}
	}
	return left
}

func TestTheLastBuildsAndThoseInUseAreKept(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		w.cfg.KeepBuilds, w.cfg.KeepCache = 2, 1<<50
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\nCOPY v /\n"})
		other := w.build("other")
		name := w.name("app")
		var builds []api.Build
		for i := range 5 {
			repo.Commit(map[string]string{"v": fmt.Sprint(i)})
			b, _ := w.mustBuild(api.BuildParams{Name: name, URL: repo.URL})
			builds = append(builds, b)
			switch i {
			case 0:
				w.create(api.CreateParams{Image: name, Name: w.name("old"), Start: ptr(false)})
			case 1:
				if err := w.docker.ImageTag(t.Context(), b.ID, "localhost/mine-"+w.suffix+":1"); err != nil {
					t.Fatal(err)
				}
			}
		}
		left := w.buildsLeft(name)
		for i, want := range []string{builds[0].Commit, "none", "", builds[3].Commit, builds[4].Commit} {
			if got := left[builds[i].ID]; got != want {
				t.Errorf("of build %d %q is left, want %q", i, got, want)
			}
		}
		if len(w.buildsLeft(other)) != 1 {
			t.Error("a build of another image went")
		}
		listed, err := w.Images(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newest := slices.IndexFunc(listed, func(i api.Image) bool { return i.Name == name })
		oldest := slices.IndexFunc(listed, func(i api.Image) bool { return i.Commit == builds[0].Commit })
		if newest < 0 || oldest < 0 || !listed[newest].Created.After(listed[oldest].Created.Time) {
			t.Errorf("the images are %+v", listed)
		}
		w.remove(w.name("old"), false)
		if _, err := w.docker.ImageRemove(t.Context(), "localhost/mine-"+w.suffix+":1", image.RemoveOptions{}); err != nil {
			t.Error(err)
		}
		w.prune(t.Context(), name)
		if left := w.buildsLeft(name); len(left) != 2 {
			t.Errorf("when nobody uses them any more %v are left", left)
		}
	})
}

// The image is there, and who waits for it gets it, whatever becomes of those that
// are to make room for it.
func TestABuildDoesNotWaitForASilentEngineToRemoveOldOnes(t *testing.T) {
	w := newWorkshop(t, "auto")
	proxy := enginetest.NewProxy(t)
	cfg := w.cfg
	cfg.Host, cfg.KeepBuilds = proxy.Socket(), 1
	e := w.run(cfg)
	proxy.Inject(1, faults.Rule{
		Match: regexp.MustCompile("^DELETE /images/"),
		Hit:   func(string) { e.silence.fall() },
		Delay: time.Hour,
	})
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY v /\n"})
	name := w.name("app")
	for i := range 2 {
		repo.Commit(map[string]string{"v": fmt.Sprint(i)})
		p, err := e.CheckBuild(api.BuildParams{Name: name, URL: repo.URL})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := e.Build(t.Context(), p, w.name("b1"), newTranscript())
			ended <- err
		}()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("it waits for the engine")
		}
	}
	if left := w.buildsLeft(name); len(left) != 2 {
		t.Errorf("what is left is %v", left)
	}
}

func TestLabelsInADockerfileDoNotCount(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\nLABEL " + labelInstance + "=other " + labelName + "=victim " + labelBuilt +
			"=2099-01-01T00:00:00Z " + labelOwner + "=admin " + labelDomain + "=bank.example.com " + labelPort + "=1 " + labelKind + "=container\n"})
		name := w.name("spoof")
		b, _ := w.mustBuild(api.BuildParams{Name: name, URL: repo.URL})
		labels := w.labelsOf(name)
		if !w.owns(labels, kindImage) || labels[labelName] != name || labels[labelBuild] != w.name("b1") || labels[labelBuilt] >= "2099" {
			t.Errorf("the image has %v", labels)
		}
		c := w.create(api.CreateParams{Image: name, Name: w.name("web"), Start: ptr(false)})
		found, err := w.docker.ContainerInspect(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := found.Config.Labels
		if !w.owns(got, kindContainer) || got[labelName] != c.Name || got[labelOwner] != "tester" || got[labelDomain] != "" || got[labelPort] != "8080" {
			t.Errorf("the container has %v", got)
		}
		if containers, err := w.Containers(t.Context()); err != nil || len(containers) != 1 || containers[0].Domain != c.Name+".test.localhost" {
			t.Errorf("the containers are %+v, %v", containers, err)
		}
		w.remove(c.Name, false)
		if removed, err := w.RemoveImage(t.Context(), name); err != nil || removed.ID != b.ID {
			t.Errorf("%+v, %v", removed, err)
		}
	})
}
