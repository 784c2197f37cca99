package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// quietly is told how an update goes, by a test that does not care.
func quietly(string) {}

func (f *fixture) update(name string, p api.UpdateParams) api.Container {
	f.t.Helper()
	c, err := f.Update(f.t.Context(), name, p, quietly)
	if err != nil {
		f.t.Fatalf("update %s: %v (%v)", name, err, errors.Unwrap(err))
	}
	return c
}

func (f *fixture) rollback(name string) api.Container {
	f.t.Helper()
	c, err := f.Rollback(f.t.Context(), name, quietly)
	if err != nil {
		f.t.Fatalf("rollback %s: %v (%v)", name, err, errors.Unwrap(err))
	}
	return c
}

// titles gives what the engine calls the containers of the instance, and
// whether they run.
func (f *fixture) titles() (titles []string) {
	f.t.Helper()
	found, err := f.docker.ContainerList(f.t.Context(), container.ListOptions{All: true, Filters: f.ours(kindContainer)})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range found {
		r, _, _ := f.roleOf(c.Names[0], c.Labels[labelName])
		titles = append(titles, string(r)+" "+c.State)
	}
	slices.Sort(titles)
	return titles
}

func (f *fixture) wantTitles(want ...string) {
	f.t.Helper()
	if got := f.titles(); !slices.Equal(got, want) {
		f.t.Errorf("there are %v, want %v", got, want)
	}
}

func (f *fixture) inspected(id string) container.InspectResponse {
	f.t.Helper()
	c, err := f.docker.ContainerInspect(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func TestAnUpdateKeepsAllThatCreateWasAsked(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web"), Command: []string{"serve"},
		Environment: map[string]string{"SECRET": "hunter2", "EMPTY": ""}, Port: ptr(9000), Domain: f.name("shop") + ".example.com",
		Memory: 32 << 20, CPUs: 0.5, Pids: 64, Restart: "on-failure", Volumes: []string{f.name("data") + ":/data"}, Init: ptr(false)}
	old := f.create(p)
	before := f.inspected(old.ID)
	if strings.Contains(before.Config.Labels[labelCreate], "hunter2") {
		t.Error("a value of the environment is in a label")
	}
	if _, err := f.docker.VolumeInspect(t.Context(), f.engineName(kindVolume, f.name("data"))); err != nil {
		t.Fatal(err)
	}
	var told []string
	updated, err := f.Update(t.Context(), p.Name, api.UpdateParams{}, func(text string) { told = append(told, text) })
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	t.Log(strings.Join(told, "\n"))
	if updated.ID == old.ID || updated.State != api.StateRunning || updated.Domain != old.Domain || len(told) < 3 {
		t.Errorf("it is %+v, and was told %q", updated, told)
	}
	after := f.inspected(updated.ID)
	if before.Name != after.Name || !slices.Equal(before.Config.Env, after.Config.Env) || !slices.Equal(before.Args, after.Args) {
		t.Errorf("it is %s %v %v, was %s %v %v", after.Name, after.Config.Env, after.Args, before.Name, before.Config.Env, before.Args)
	}
	for _, field := range differences(before.HostConfig, after.HostConfig) {
		t.Errorf("%s is not as it was", field)
	}
	for key, value := range before.Config.Labels {
		if key != labelEdition && after.Config.Labels[key] != value {
			t.Errorf("the label %s is %q, was %q", key, after.Config.Labels[key], value)
		}
	}
	f.wantTitles("current running", "previous exited")
	if all, err := f.Containers(t.Context()); err != nil || !slices.Equal(all, []api.Container{updated}) {
		t.Errorf("the list is %+v, %v", all, err)
	}
	f.remove(p.Name, true)
	f.mustBeClean()
}

func TestAnUpdateTakesTheNewestBuildOfItsImage(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	old := f.create(api.CreateParams{Image: image + ":" + testCommit, Name: f.name("web"), Command: []string{"serve"}, Environment: map[string]string{"A": "1", "B": "2"}})
	oldImage := f.inspected(old.ID).Image
	f.build("game", "ENV FROM=new")
	c := f.update(old.Name, api.UpdateParams{Environment: map[string]string{"B": "3"}})
	got := f.inspected(c.ID)
	variables := variablesOf(got.Config.Env)
	if c.Image != image || got.Image == oldImage || valueOf(variables["FROM"]) != "new" || valueOf(variables["B"]) != "3" || variables["A"] != nil {
		t.Errorf("it is of %s, %s, with %v", c.Image, got.Image, got.Config.Env)
	}
	c = f.update(old.Name, api.UpdateParams{Environment: map[string]string{}})
	if variables := variablesOf(f.inspected(c.ID).Config.Env); variables["B"] != nil {
		t.Error("an environment that is empty is not taken for one")
	}
}

func TestARollbackGoesBackAndAnotherForward(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	name := f.name("web")
	first := f.create(api.CreateParams{Image: image, Name: name, Command: []string{"serve"}})
	_, err := f.Rollback(t.Context(), name, quietly)
	if e := wantClass(t, err, NotFound, "no previous container"); e.Data.Kind != kindPrevious || e.Data.Name != name {
		t.Errorf("the data are %+v", e.Data)
	}
	second := f.update(name, api.UpdateParams{})
	if c := f.rollback(name); c.ID != first.ID || c.State != api.StateRunning {
		t.Errorf("it went back to %+v", c)
	}
	f.wantTitles("current running", "previous exited")
	if policy := f.inspected(first.ID).HostConfig.RestartPolicy.Name; policy != "unless-stopped" {
		t.Errorf("the one that is back is restarted %s", policy)
	}
	if policy := f.inspected(second.ID).HostConfig.RestartPolicy.Name; policy != "no" {
		t.Errorf("the one that is kept is restarted %s", policy)
	}
	if c := f.rollback(name); c.ID != second.ID {
		t.Errorf("it went forward to %+v", c)
	}
	third := f.update(name, api.UpdateParams{})
	doc, err := f.Inspect(t.Context(), name, false)
	if err != nil || doc.ID != third.ID || doc.Previous == nil || doc.Previous.ID != second.ID || doc.Previous.Image != image ||
		doc.Previous.Commit != testCommit || doc.Previous.Finished.IsZero() {
		t.Errorf("inspect says %+v, %v", doc.Previous, err)
	}
	f.wantTitles("current running", "previous exited")
}

func TestAnUpdateThatDoesNotServeIsUndone(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.UpdateTime = 2e9 })
	image := f.build("game")
	for what, broken := range map[string]struct {
		instructions []string
		reason       string
		code         *int
		line         string
	}{
		"ends":   {[]string{`ENTRYPOINT ["/probe", "exit", "3"]`}, "ended with exit code 3", ptr(3), ""},
		"mute":   {[]string{`ENTRYPOINT ["/probe", "lines", "-n", "2", "-then", "wait"]`}, "not accepting connections on port 8080", nil, "line 000002"},
		"absent": {[]string{`ENTRYPOINT ["/nothing"]`}, "is not in the image", ptr(127), ""},
		"sick": {[]string{`ENTRYPOINT ["/probe", "serve"]`, `HEALTHCHECK --interval=10s --retries=1 CMD ["/probe", "exit", "1"]`},
			"failed its HEALTHCHECK", nil, "serving on 8080"},
	} {
		t.Run(what, func(t *testing.T) {
			name := f.name(what)
			old := f.create(api.CreateParams{Image: image, Name: name, Command: []string{"serve"}})
			kept := f.update(name, api.UpdateParams{})
			other := f.build("game-"+what, broken.instructions...)
			_, err := f.Update(t.Context(), name, api.UpdateParams{Image: other}, quietly)
			e := wantClass(t, err, StartFailed, broken.reason)
			if (e.Data.ExitCode == nil) != (broken.code == nil) || e.Data.ExitCode != nil && *e.Data.ExitCode != *broken.code {
				t.Errorf("the exit code is %v", e.Data.ExitCode)
			}
			if broken.line != "" && (len(e.Data.Lines) == 0 || e.Data.Lines[len(e.Data.Lines)-1].Text != broken.line) {
				t.Errorf("the last lines are %+v", e.Data.Lines)
			}
			if c, _ := f.Container(name); c.ID != kept.ID || c.State != api.StateRunning {
				t.Errorf("%s is %+v", name, c)
			}
			f.wantTitles("current running", "previous exited")
			if c := f.rollback(name); c.ID != old.ID {
				t.Errorf("it went back to %s", c.ID)
			}
			f.remove(name, false)
			f.wantTitles()
		})
	}
}

func TestAWorkerIsReplacedOnceItHasRunForAWhile(t *testing.T) {
	f := setUp(t)
	old := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("worker"), Port: ptr(0)})
	c := f.update(old.Name, api.UpdateParams{})
	if trial := c.Started.Sub(timeOf(f.inspected(old.ID).State.FinishedAt).Time); -trial < workerTrial {
		t.Errorf("the old one ended %v after the start of the new one", -trial)
	}
}

func TestAStoppedContainerIsStartedByItsUpdate(t *testing.T) {
	f := setUp(t)
	old := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Command: []string{"serve"}, Start: ptr(false)})
	if c := f.update(old.Name, api.UpdateParams{}); c.State != api.StateRunning {
		t.Errorf("it is %+v", c)
	}
	if c := f.rollback(old.Name); c.ID != old.ID || c.State != api.StateRunning {
		t.Errorf("it is %+v", c)
	}
}

func TestAnUpdateStaysInItsSharedNetwork(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	name := f.name("web")
	f.create(api.CreateParams{Image: image, Name: name, Network: "net", Command: []string{"serve"}})
	f.update(name, api.UpdateParams{})
	f.rollback(name)
	asks := f.create(api.CreateParams{Image: image, Name: f.name("asks"), Network: "net", Command: []string{"dial", name + ":8080"}, Restart: "no"})
	if out := f.output(asks.ID, ""); !strings.Contains(out, "allowed") {
		t.Errorf("who asks for it by its name gets %q", out)
	}
	f.remove(name, false)
	f.remove(asks.Name, false)
	f.mustBeClean()
}

func TestTheImageOfThePreviousContainerIsKept(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.KeepBuilds = 1 })
	image := f.build("game")
	name := f.name("web")
	old := f.create(api.CreateParams{Image: image, Name: name, Command: []string{"serve"}})
	other := f.build("other")
	f.update(name, api.UpdateParams{Image: other})
	_, err := f.RemoveImage(t.Context(), image)
	wantClass(t, err, Conflict, "is used by "+name)
	f.prune(t.Context(), image)
	if c := f.rollback(name); c.ID != old.ID {
		t.Errorf("it went back to %+v", c)
	}
	images, err := f.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range images {
		if !slices.Equal(one.Containers, []string{name}) {
			t.Errorf("%s is used by %v", one.Name, one.Containers)
		}
	}
}

func TestAContainerWhoseCreateIsNotKnownIsNotUpdated(t *testing.T) {
	f := setUp(t)
	name := f.name("web")
	s, _, err := f.specOf(t.Context(), api.CreateParams{Image: f.build("game"), Name: name}, "tester")
	if err != nil {
		t.Fatal(err)
	}
	s.labels[labelCreate] = ""
	if _, err := f.Engine.create(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	_, err = f.Update(t.Context(), name, api.UpdateParams{}, quietly)
	wantClass(t, err, Conflict, "remove and create it once more")
}

func TestACancelledUpdateThatHasBegunFinishes(t *testing.T) {
	f := setUp(t)
	old := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Command: []string{"serve", "-delay", "500ms"}})
	ctx, cancel := context.WithCancel(t.Context())
	c, err := f.Update(ctx, old.Name, api.UpdateParams{}, func(string) { cancel() })
	if err != nil || c.ID == old.ID || ctx.Err() == nil {
		t.Errorf("it gave %+v, %v", c, err)
	}
	if _, err := f.Update(ctx, old.Name, api.UpdateParams{}, quietly); err == nil {
		t.Error("a call that was cancelled before did something")
	}
}

func TestFollowersOfTheListSeeAnUpdateAsAChange(t *testing.T) {
	f := setUp(t)
	old := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Command: []string{"serve"}})
	_, before, _ := f.Changes(0)
	updated := f.update(old.Name, api.UpdateParams{})
	changed, _, whole := f.Changes(before)
	last := len(changed) - 1
	if whole || last < 0 || changed[last] != updated || slices.ContainsFunc(changed, func(c api.Container) bool { return c.State == api.StateRemoved }) {
		text, _ := json.Marshal(changed)
		t.Errorf("they see %s", text)
	}
}
