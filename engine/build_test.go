package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

func TestABuildTakesEveryOption(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		dockerfile := "FROM " + w.base + ` AS first
ARG GREETING=none
RUN ["/probe", "lines", "-n", "2", "-stream", "both", "-then", "exit"]
LABEL greeting=$GREETING
FROM scratch AS second
COPY --from=first /probe /tool
COPY version /
FROM second AS third
LABEL third=yes
`
		repo := w.Repo("app", map[string]string{"server/deploy/App.dockerfile": dockerfile, "server/version": "1"})
		repo.Git("tag", "v1")
		commit := repo.Head()
		repo.Commit(map[string]string{"server/version": "2"})
		name := w.name("app")

		b, out := w.mustBuild(api.BuildParams{Name: name, URL: repo.URL + "#v1:server", Dockerfile: "deploy/App.dockerfile", Target: "second", NoCache: true})
		want := api.Build{Name: name, ID: b.ID, URL: repo.URL, Ref: "v1", Commit: commit, Size: b.Size, Seconds: b.Seconds}
		if b != want || b.Size < 1<<20 || b.Seconds <= 0 || out.commit != commit {
			t.Errorf("the build is %+v, its commit was said to be %s", b, out.commit)
		}
		out.wants(t, "git Cloning "+repo.URL, "git Commit "+commit, "COPY version")
		if files := w.filesOf(name); files["version"] != "1" || files["tool"] == "" {
			t.Errorf("the image holds %v", slices.Sorted(maps.Keys(files)))
		}
		labels := w.labelsOf(name + ":" + commit)
		for key, value := range map[string]string{
			labelInstance: w.cfg.Instance, labelKind: kindImage, labelName: name, labelURL: repo.URL, labelRef: "v1", labelCommit: commit, labelBuild: w.name("b1"), "third": "",
		} {
			if labels[key] != value {
				t.Errorf("the label %s is %q, want %q", key, labels[key], value)
			}
		}

		_, out = w.mustBuild(api.BuildParams{Name: name, URL: repo.URL, Dir: "server", Dockerfile: "deploy/App.dockerfile", Target: "first", NoCache: true, Args: map[string]string{"GREETING": "good day"}})
		if got := w.labelsOf(name)["greeting"]; got != "good day" {
			t.Errorf("the greeting is %q", got)
		}
		out.wants(t, "lines", "stdout line 000001", "stderr line 000002")
		w.mustBeClean()
	})
}

func TestDockerignoreIsApplied(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{
			"Dockerfile":               "FROM scratch\nCOPY . /ctx/\n",
			"Other":                    "FROM scratch\nCOPY . /ctx/\n",
			".dockerignore":            "# no secrets\n*.key\nnode_modules\nDockerfile\nsrc/*\n!src/kept\n",
			"Other.dockerignore":       "*\n!a\n",
			"a":                        "1",
			"secret.key":               "1",
			"node_modules/m/index.js":  "1",
			"sub/node_modules/kept.js": "1",
			"src/kept":                 "1",
			"src/dropped":              "1",
		})
		for dockerfile, want := range map[string][]string{
			"Dockerfile": {"a", "src/kept", "sub/node_modules/kept.js"},
			"Other":      {"a"},
		} {
			name := w.name("app")
			w.mustBuild(api.BuildParams{Name: name, URL: repo.URL, Dockerfile: dockerfile})
			var got []string
			for file := range w.filesOf(name) {
				if inContext, ok := strings.CutPrefix(file, "ctx/"); ok && !strings.Contains(inContext, "Other") && !strings.Contains(inContext, "ockerfile") && inContext != ".dockerignore" {
					got = append(got, inContext)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s: the context is %q, want %q", dockerfile, got, want)
			}
		}
	})
}

func TestAFailingStepIsNamedWithItsLastLines(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\n" +
			`RUN ["/probe", "lines", "-n", "5", "-then", "exit"]` + "\n" +
			`RUN ["/probe", "lines", "-n", "x"]` + "\n"})
		_, _, err := w.try(api.BuildParams{Name: w.name("app"), URL: repo.URL})
		failed := wantClass(t, err, BuildFailed, "exit code ")
		if failed.Data.Step != `RUN ["/probe", "lines", "-n", "x"]` && failed.Data.Step != `RUN /probe lines -n x` {
			t.Errorf("the step is %q", failed.Data.Step)
		}
		if code := failed.Data.ExitCode; code == nil || *code != 1 && *code != 2 {
			t.Errorf("the exit code is %v", code)
		}
		lines := failed.Data.Lines
		if len(lines) == 0 || lines[0].Stream != api.Stderr || !strings.Contains(lines[0].Text, "x") || strings.Contains(lines[0].Text, "\x1b") {
			t.Errorf("the lines are %+v", lines)
		}
		if _, err := w.docker.ImageInspect(t.Context(), repository+w.name("app")+":latest"); err == nil {
			t.Error("there is an image of it")
		}
		w.mustBeClean()
	})
}

func TestWhatCannotBeBuiltIsSaid(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{
			"Dockerfile":        "FROM scratch\nCOPY Dockerfile /\n",
			"syntax":            "FROM scratch\nFROBNICATE now\n",
			"copy":              "FROM scratch\nCOPY absent /\n",
			"base":              "FROM localhost:1/none\n",
			"ignored/pattern":   "",
			"bad/Dockerfile":    "FROM scratch\n",
			"bad/.dockerignore": "[\n",
		})
		repo.Symlink("link", "/etc/passwd")
		repo.Symlink("linked/.dockerignore", "/etc/passwd")
		repo.Write("linked/Dockerfile", "FROM scratch\n", 0o644)
		repo.Commit(nil)
		for name, test := range map[string]struct {
			p          api.BuildParams
			class      Class
			kind, says string
		}{
			"no Dockerfile":      {api.BuildParams{Dir: "ignored"}, NotFound, "dockerfile", "there is no ignored/Dockerfile"},
			"a linked one":       {api.BuildParams{Dockerfile: "link"}, NotFound, "dockerfile", "link in the repository is a symbolic link"},
			"a linked ignore":    {api.BuildParams{Dir: "linked"}, NotFound, "dockerignore", "a symbolic link"},
			"a bad pattern":      {api.BuildParams{Dir: "bad"}, BuildFailed, "", ".dockerignore"},
			"no directory":       {api.BuildParams{Dir: "none"}, NotFound, "dir", "no directory none"},
			"no ref":             {api.BuildParams{Ref: "none"}, NotFound, "ref", "no branch or tag none"},
			"no repository":      {api.BuildParams{URL: w.URL + "/none.git"}, NotFound, "repository", "answered 404"},
			"a private address":  {api.BuildParams{URL: "http://127.0.0.1:9/x.git"}, Invalid, "", "--allow-git 127.0.0.1:9"},
			"a syntax error":     {api.BuildParams{Dockerfile: "syntax"}, BuildFailed, "", "FROBNICATE"},
			"no such file":       {api.BuildParams{Dockerfile: "copy"}, BuildFailed, "", "COPY absent /"},
			"no such base image": {api.BuildParams{Dockerfile: "base"}, BuildFailed, "", "localhost:1/none"},
			"no such target":     {api.BuildParams{Target: "none"}, BuildFailed, "", "none"},
		} {
			t.Run(name, func(t *testing.T) {
				if test.p.URL == "" {
					test.p.URL = repo.URL
				}
				test.p.Name = w.name("app")
				_, _, err := w.try(test.p)
				got := wantClass(t, err, test.class, test.says)
				t.Log(got.Reason, "| step:", got.Data.Step)
				if test.class == NotFound && got.Data.Kind != test.kind {
					t.Errorf("kind %s", got.Data.Kind)
				}
			})
		}
	})
}

func TestLinesComeWhileTheStepRunsAndACancelStopsIt(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\n" + `RUN ["/probe", "lines", "-every", "47ms"]` + "\n"})
		p, err := w.CheckBuild(api.BuildParams{Name: w.name("app"), URL: repo.URL})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		out := newTranscript()
		ended := make(chan error, 1)
		go func() {
			_, err := w.Build(ctx, p, w.name("b1"), out)
			ended <- err
		}()
		for line := range out.said {
			if line == "stdout line 000003" {
				break
			}
		}
		why := errors.New("nobody wants it")
		cancel(why)
		select {
		case err := <-ended:
			if !errors.Is(err, why) {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("it does not stop")
		}
		w.mustBeIdle()
	})
}

func TestAnEngineThatGoesAwayIsSaid(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		relay := newRelay(t, w.docker.DaemonHost())
		e := w.run(Config{Host: relay.host, Instance: w.cfg.Instance, AllowGit: w.cfg.AllowGit, TempDir: w.cfg.TempDir, Builder: w.cfg.Builder})
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\n" + `RUN ["/probe", "lines", "-every", "47ms"]` + "\n"})
		p, err := e.CheckBuild(api.BuildParams{Name: w.name("app"), URL: repo.URL})
		if err != nil {
			t.Fatal(err)
		}
		out := newTranscript()
		go func() {
			for line := range out.said {
				if line == "stdout line 000001" {
					relay.cut()
				}
			}
		}()
		_, err = e.Build(t.Context(), p, w.name("b1"), out)
		close(out.said)
		if lost := wantClass(t, err, Unavailable, "interrupted"); lost.Data.Outcome != api.OutcomeUnknown {
			t.Errorf("the outcome is %q", lost.Data.Outcome)
		}
		w.untilIdle()
	})
}

func TestAnEngineThatGoesAwayWhileItTakesTheContextIsSaid(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		relay := newRelay(t, w.docker.DaemonHost())
		relay.cutAfter(1 << 20)
		e := w.run(Config{Host: relay.host, Instance: w.cfg.Instance, AllowGit: w.cfg.AllowGit, TempDir: w.cfg.TempDir, Builder: w.cfg.Builder})
		large := make([]byte, 16<<20)
		rand.Read(large)
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + w.base + "\nCOPY large /\n", "large": string(large)})
		p, err := e.CheckBuild(api.BuildParams{Name: w.name("app"), URL: repo.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Build(t.Context(), p, w.name("b1"), newTranscript())
		if lost := wantClass(t, err, Unavailable, "interrupted"); lost.Data.Outcome != api.OutcomeUnknown {
			t.Errorf("the outcome is %q", lost.Data.Outcome)
		}
		w.untilIdle()
	})
}

func TestARebuildKeepsCommitsAndRemovesWhatLostItsTags(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY v /\n", "v": "1"})
		p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
		first, _ := w.mustBuild(p)
		repo.Commit(map[string]string{"v": "2"})
		second, _ := w.mustBuild(p)
		p.NoCache = true
		p, _ = w.CheckBuild(p)
		third, err := w.Build(t.Context(), p, w.name("b2"), newTranscript())
		if err != nil {
			t.Fatal(err)
		}
		for id, there := range map[string]bool{first.ID: true, second.ID: false, third.ID: true} {
			if _, err := w.docker.ImageInspect(t.Context(), id); (err == nil) != there {
				t.Errorf("%s: %v", id, err)
			}
		}
		if w.labelsOf(p.Name + ":" + first.Commit)[labelCommit] != first.Commit || w.labelsOf(p.Name)[labelBuild] != w.name("b2") {
			t.Error("a tag leads to the wrong build")
		}
	})
}

func TestATagOfSomebodyElseIsNotOverwritten(t *testing.T) {
	w := newWorkshop(t, "auto")
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	name := w.name("app")
	foreign := w.foreign(name)
	_, _, err := w.try(api.BuildParams{Name: name, URL: repo.URL})
	if e := wantClass(t, err, Conflict, name); e.Data.Kind != kindImage || e.Data.Name != name {
		t.Errorf("%+v", e.Data)
	}
	if found, err := w.docker.ImageInspect(t.Context(), repository+name+":latest"); err != nil || found.ID != foreign {
		t.Errorf("the tag leads to %s: %v", found.ID, err)
	}
}
