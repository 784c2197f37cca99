package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// builtBy gives the id of the build that made the image.
func (w *workshop) builtBy(id string) string {
	w.t.Helper()
	found, err := w.docker.ImageInspect(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return found.Config.Labels[labelBuild]
}

// again builds under another id, and says whether that was a build.
func (w *workshop) again(p api.BuildParams) (b api.Build, anew bool, out *transcript) {
	w.t.Helper()
	p, err := w.CheckBuild(p)
	if err != nil {
		w.t.Fatal(err)
	}
	id, out := w.name(fmt.Sprint("b", time.Now().UnixNano())), newTranscript()
	b, err = w.Build(w.t.Context(), p, id, out)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, strings.Join(out.lines, "\n"))
	}
	return b, w.builtBy(b.ID) == id, out
}

func (w *workshop) mustBeAnew(what string, want bool, p api.BuildParams) {
	w.t.Helper()
	if _, anew, out := w.again(p); anew != want {
		w.t.Errorf("%s: built anew: %v\n%s", what, anew, strings.Join(out.lines, "\n"))
	}
}

func TestAnUnchangedBuildIsAnsweredWithItsImage(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\nARG SECRET\nCOPY v /\n", "v": "1"})
		p := api.BuildParams{Name: w.name("app"), URL: repo.URL, Args: map[string]string{"SECRET": "in-no-label", "OTHER": "2"}}
		first, _ := w.mustBuild(p)
		second, anew, out := w.again(p)
		if first.Seconds, second.Seconds = 0, 0; anew || first != second || out.commit != first.Commit {
			t.Errorf("the first was %+v, the second is %+v of the commit %s", first, second, out.commit)
		}
		out.wants(t, "git Commit "+first.Commit, "git Nothing has changed since "+p.Name+":"+first.Commit+" was built at ")
		if labels := fmt.Sprint(w.labelsOf(p.Name)); strings.Contains(labels, "in-no-label") {
			t.Errorf("the labels are %s", labels)
		}
		for what, change := range map[string]func(*api.BuildParams){
			"noCache": func(p *api.BuildParams) { p.NoCache = true },
			"pull":    func(p *api.BuildParams) { p.Pull = true; p.Dockerfile = "scratch" },
		} {
			repo.Commit(map[string]string{"scratch": "FROM scratch\nCOPY v /\n"})
			p := p
			change(&p)
			w.mustBeAnew(what, true, p)
			w.mustBeAnew(what+", again", true, p)
		}
		w.mustBeClean()
	})
}

func TestWhatDecidesHowAnImageIsChangesTheBuild(t *testing.T) {
	w := newWorkshop(t, "buildkit")
	dockerfile := "FROM scratch AS first\nARG A\nCOPY v /\nFROM scratch AS second\nCOPY v /\n"
	repo := w.Repo("app", map[string]string{"Dockerfile": dockerfile, "Other": dockerfile, "v": "1", "dir/Dockerfile": dockerfile, "dir/v": "2"})
	repo.Git("branch", "other")
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
	w.mustBuild(p)
	w.mustBeAnew("nothing", false, p)
	for what, change := range map[string]func(*api.BuildParams){
		"the ref":        func(p *api.BuildParams) { p.Ref = "other" },
		"the directory":  func(p *api.BuildParams) { p.Dir = "dir" },
		"the Dockerfile": func(p *api.BuildParams) { p.Dockerfile = "Other" },
		"the arguments":  func(p *api.BuildParams) { p.Args = map[string]string{"A": "1"} },
		"the stage":      func(p *api.BuildParams) { p.Target = "first" },
		"the submodules": func(p *api.BuildParams) { p.Submodules = true },
		"the name":       func(p *api.BuildParams) { p.Name = w.name("app2") },
	} {
		changed := p
		change(&changed)
		w.mustBeAnew(what, true, changed)
		w.mustBeAnew(what+", a second time", false, changed)
	}
	w.mustBuild(p)
	w.cfg.Builder = "classic"
	w.mustBeAnew("the builder", true, p)
	repo.Commit(map[string]string{"v": "3"})
	w.mustBeAnew("the commit", true, p)
	w.mustBeAnew("nothing since", false, p)
	b, _, _ := w.again(p)
	if err := w.docker.ImageTag(t.Context(), w.base, w.tagOf(p.Name, b.Commit)); err != nil {
		t.Fatal(err)
	}
	w.mustBeAnew("where its tag leads", true, p)
	if _, err := w.RemoveImage(t.Context(), p.Name); err != nil {
		t.Fatal(err)
	}
	w.mustBeAnew("that it is gone", true, p)
}

func (w *workshop) tagOf(name, version string) string { return repository + name + ":" + version }

func TestLatestLeadsToTheBuildThatWasAskedForLast(t *testing.T) {
	w := newWorkshop(t, "auto")
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY v /\n", "v": "1"})
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
	first, _ := w.mustBuild(p)
	repo.Commit(map[string]string{"v": "2"})
	w.mustBuild(p)
	repo.Git("reset", "--quiet", "--hard", "HEAD~1")
	back, anew, _ := w.again(p)
	if anew || back.ID != first.ID {
		t.Errorf("the build is %+v, was %+v", back, first)
	}
	if files := w.filesOf(p.Name); files["v"] != "1" {
		t.Errorf("latest holds %q", files["v"])
	}
}

func TestANewerBaseImageOfThisHostChangesTheBuild(t *testing.T) {
	w := newWorkshop(t, "buildkit")
	base := w.tagOf(w.name("base"), "latest")
	tag := func(image string) {
		t.Helper()
		if err := w.docker.ImageTag(t.Context(), image, base); err != nil {
			t.Fatal(err)
		}
	}
	tag(w.base)
	repo := w.Repo("app", map[string]string{"Dockerfile": "ARG TAG=latest\nFROM " + strings.TrimSuffix(base, "latest") + "${TAG}\nCOPY v /\n", "v": "1"})
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
	w.mustBuild(p)
	w.mustBeAnew("nothing", false, p)
	tag(repository + w.build("newer") + ":latest")
	w.mustBeAnew("the base", true, p)
	w.mustBeAnew("nothing since", false, p)
}

func TestAnImageIsNotGivenToWhoMayNotFetch(t *testing.T) {
	w := newWorkshop(t, "auto")
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	w.Require("user", repositoryPassword)
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL, Ref: repo.Head(), Credential: &api.Credential{Username: "user", Password: repositoryPassword}}
	w.mustBuild(p)
	w.mustBeAnew("nothing", false, p)
	p.Credential = nil
	_, _, err := w.try(p)
	wantClass(t, err, NotFound, "give a credential")
}

func TestTheImagesThatADockerfileBuildsOnAreKnown(t *testing.T) {
	for dockerfile, want := range map[string][]string{
		"FROM scratch\nCOPY . /\n": {},
		"from --platform=linux/amd64 golang:1.22 as Build\nRUN x\nFROM build\nFROM alpine AS alpine\nCOPY --from=build /a /\nCOPY --from=nginx:1 /a /\n": {"golang:1.22", "alpine", "nginx:1"},
		"# comment\nARG V=1.2\nARG BASE=\"debian\"\nFROM ${BASE}:$V\nARG V=9\n":                                                                          {"debian:given"},
		"FROM a\nRUN --mount=type=bind,from=tools,target=/t make\n":                                                                                      {"a", "tools"},
		"FROM $UNKNOWN\n":           nil,
		"FROM ${A:-b}\n":            nil,
		"FROM \\\n  alpine\n":       nil,
		"ARG A\nFROM base:${A}\n":   nil,
		"FROM a\nRUN x?from=$B &\n": nil,
	} {
		names, known := basesOf(dockerfile, map[string]string{"V": "given"})
		got := slices.Sorted(maps.Keys(names))
		slices.Sort(want)
		if known != (want != nil) || known && !slices.Equal(got, want) {
			t.Errorf("%q: %q, known %v, want %q", dockerfile, got, known, want)
		}
	}
}
