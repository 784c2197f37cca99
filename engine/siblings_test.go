package engine

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// scale makes a container be so many, or fails the test.
func (f *fixture) scale(name string, replicas int) api.Container {
	f.t.Helper()
	c, err := f.Scale(f.t.Context(), name, replicas)
	if err != nil {
		f.t.Fatalf("scale %s: %v", name, err)
	}
	return c
}

// wantFamily fails the test unless these are all containers that there are, with the
// state that each is to have.
func wantFamily(t *testing.T, e *Engine, want map[string]string) {
	t.Helper()
	all, err := e.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range all {
		got[c.Name] = c.State
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("there are %v, want %v", got, want)
	}
}

// family gives what the first n of a family are to be.
func family(name, state string, n int) map[string]string {
	all := map[string]string{}
	for number := 1; number <= n; number++ {
		if number == 1 {
			all[name] = state
			continue
		}
		all[siblingName(name, number)] = state
	}
	return all
}

func TestASiblingIsKnownByItsLabelAndItsName(t *testing.T) {
	for _, c := range []struct {
		name, label string
		number      int
		of          string
	}{
		{"web-2", "web", 2, "web"}, {"web-100", "web", 100, "web"}, {"web-2-3", "web-2", 3, "web-2"},
		{"web-2", "", 1, ""}, {"web", "web", 1, ""}, {"web-1", "web", 1, ""}, {"web-0", "web", 1, ""}, {"web-02", "web", 1, ""},
		{"web-+2", "web", 1, ""}, {"web--2", "web", 1, ""}, {"web-2-3", "web", 1, ""}, {"api-2", "web", 1, ""}, {"web2", "web", 1, ""},
	} {
		labels := map[string]string{labelName: c.name, labelSibling: c.label}
		if of := siblingOf(labels); of != c.of {
			t.Errorf("%s labelled %q is a sibling of %q", c.name, c.label, of)
		}
		if number := numberOf(c.name, c.label); c.label != "" && number != c.number {
			t.Errorf("%s is number %d of %s", c.name, number, c.label)
		}
	}
}

func TestAContainerIsScaledUpAndDown(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web"), Command: []string{"serve"}, Replicas: 3,
		Environment: map[string]string{"SECRET": "hunter2"}, Domain: f.name("shop") + ".example.com", Volumes: []string{f.name("data") + ":/data"}}
	c := f.create(p)
	if c.Replicas != 3 || c.Serving != 3 || c.ReplicaOf != "" {
		t.Errorf("create gave %+v", c)
	}
	wantFamily(t, f.Engine, family(p.Name, api.StateRunning, 3))
	f.build("game", "ENV FROM=new") // the image's name leads elsewhere by now
	if c = f.scale(p.Name, 4); c.Replicas != 4 || c.Serving != 4 {
		t.Errorf("scale gave %+v", c)
	}
	lead := f.inspected(c.ID)
	for number := 2; number <= 4; number++ {
		sibling, _ := f.Container(siblingName(p.Name, number))
		got := f.inspected(sibling.ID)
		if sibling.ReplicaOf != p.Name || sibling.Domain != c.Domain || sibling.URL != c.URL || sibling.Replicas != 0 {
			t.Errorf("%d is %+v", number, sibling)
		}
		if got.Image != lead.Image || !slices.Equal(got.Config.Env, lead.Config.Env) || !slices.Equal(got.Args, lead.Args) || got.Config.Hostname != sibling.Name {
			t.Errorf("%d is of %s, %v, %v", number, got.Image, got.Config.Env, got.Args)
		}
	}
	for _, host := range []string{p.Domain, f.hostOf(p.Name)} {
		if members := f.state.at(host); len(members) != 4 {
			t.Errorf("%s leads to %d", host, len(members))
		}
	}
	if c = f.scale(p.Name, 2); c.Replicas != 2 || c.Serving != 2 {
		t.Errorf("scale gave %+v", c)
	}
	wantFamily(t, f.Engine, family(p.Name, api.StateRunning, 2))
	if c = f.scale(p.Name, 1); c.Replicas != 0 || c.Serving != 0 {
		t.Errorf("alone it is %+v", c)
	}
	f.remove(p.Name, true)
	f.mustBeClean()
}

func TestAFamilyIsStoppedStartedRestartedAndRemovedAsOne(t *testing.T) {
	f := setUp(t)
	name := f.name("web")
	f.create(api.CreateParams{Image: f.build("game"), Name: name, Command: []string{"serve"}, Replicas: 3})
	if c := f.scale(name, 0); c.Replicas != 3 || c.Serving != 0 {
		t.Errorf("stopped it is %+v", c)
	}
	wantFamily(t, f.Engine, family(name, api.StateExited, 3))
	if c, err := f.Start(t.Context(), name); err != nil || c.Serving != 3 {
		t.Errorf("start gave %+v, %v", c, err)
	}
	before := f.state.siblings(name)
	if c, err := f.Restart(t.Context(), name, nil); err != nil || c.Serving != 3 {
		t.Errorf("restart gave %+v, %v", c, err)
	}
	for i, r := range f.state.siblings(name) {
		if r.ID != before[i].ID || r.Started == before[i].Started {
			t.Errorf("%s was not restarted", r.Name)
		}
	}
	if c, err := f.Stop(t.Context(), siblingName(name, 2), nil); err != nil || c.State != api.StateExited {
		t.Errorf("one was stopped: %+v, %v", c, err)
	}
	if c, _ := f.Container(name); c.Replicas != 3 || c.Serving != 2 {
		t.Errorf("without one it is %+v", c)
	}
	if c := f.scale(name, 2); c.Replicas != 2 || c.Serving != 2 {
		t.Errorf("scale gave %+v", c)
	}
	if c, err := f.Stop(t.Context(), name, nil); err != nil || c.Serving != 0 {
		t.Errorf("stop gave %+v, %v", c, err)
	}
	if c := f.remove(name, false); c.State != api.StateRemoved {
		t.Errorf("remove gave %+v", c)
	}
	f.mustBeClean()
}

func TestARestartOfAFamilyGoesNoFurtherThanWhatDoesNotServe(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.UpdateTime = time.Second })
	c := f.create(api.CreateParams{Image: f.build("game", `ENTRYPOINT ["/probe", "wait"]`), Name: f.name("web"), Replicas: 3})
	before := f.state.siblings(c.Name)
	_, err := f.Restart(t.Context(), c.Name, ptr(0.0))
	wantClass(t, err, StartFailed, c.Name+" was restarted and was still not accepting connections on port 8080 yet")
	for i, r := range f.state.siblings(c.Name) {
		if r.Container != before[i].Container {
			t.Errorf("%s is %+v", r.Name, r.Container)
		}
	}
	f.remove(c.Name, false)
	f.mustBeClean()
}

func TestWhatIsDoneToAllOfAFamilyIsRefusedForOneOfIt(t *testing.T) {
	f := setUp(t)
	name := f.name("web")
	f.create(api.CreateParams{Image: f.build("game"), Name: name, Command: []string{"serve"}, Replicas: 2})
	sibling := siblingName(name, 2)
	_, scale := f.Scale(t.Context(), sibling, 2)
	_, update := f.Update(t.Context(), sibling, api.UpdateParams{}, quietly)
	_, rollback := f.Rollback(t.Context(), sibling, quietly)
	for _, err := range []error{scale, update, rollback} {
		if known := wantClass(t, err, Conflict, sibling+" is a replica of "+name); known.Data.Holder != name {
			t.Errorf("the data are %+v", known.Data)
		}
	}
	for _, replicas := range []int{-1, mostReplicasHere + 1} {
		_, err := f.Scale(t.Context(), name, replicas)
		wantClass(t, err, Invalid, "give 1 to")
	}
	f.remove(sibling, false) // which is to have one less
	if c, _ := f.Container(name); c.Replicas != 0 {
		t.Errorf("alone it is %+v", c)
	}
	f.remove(name, false)
	f.mustBeClean()
}

func TestNumbersThatAreTakenAreLeftOut(t *testing.T) {
	f := setUp(t)
	image, name := f.build("game"), f.name("web")
	f.create(api.CreateParams{Image: image, Name: siblingName(name, 3), Command: []string{"serve"}})
	foreign, err := f.docker.ContainerCreate(t.Context(), &container.Config{Image: repository + image}, nil, nil, nil, siblingName(name, 2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.docker.ContainerRemove(f.t.Context(), foreign.ID, container.RemoveOptions{Force: true}) })
	f.create(api.CreateParams{Image: image, Name: name, Command: []string{"serve"}, Replicas: 2})
	want := map[string]string{name: api.StateRunning, siblingName(name, 3): api.StateRunning, siblingName(name, 4): api.StateRunning}
	wantFamily(t, f.Engine, want)
	f.remove(name, false)
	wantFamily(t, f.Engine, map[string]string{siblingName(name, 3): api.StateRunning})
	if err := f.docker.ContainerRemove(t.Context(), foreign.ID, container.RemoveOptions{}); err != nil {
		t.Error(err)
	}
	f.remove(siblingName(name, 3), false)
	f.mustBeClean()
}

func TestReplicasThatCannotBeAreRefusedBeforeAnythingIsMade(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	long := strings.Repeat("a", 62)
	_, err := f.Create(t.Context(), api.CreateParams{Image: image, Name: long, Replicas: 2}, "tester")
	wantClass(t, err, Invalid, "63 characters at most")
	_, err = f.Create(t.Context(), api.CreateParams{Image: image, Name: f.name("web"), Replicas: mostReplicasHere + 1}, "tester")
	wantClass(t, err, Invalid, "give 1 to")
	f.mustBeClean()
}

func TestOfReplicasAllAreMadeOrNone(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	image, name := f.build("game"), f.name("web")
	failsToStart := func(n int) {
		proxy.Inject(0, faults.Rule{Match: regexp.MustCompile("^POST .*/start$"), Skip: n - 1, Times: 1, Fail: true})
	}
	for n := 1; n <= 3; n++ {
		failsToStart(n)
		_, err := f.Create(t.Context(), api.CreateParams{Image: image, Name: name, Command: []string{"serve"}, Replicas: 3}, "tester")
		if known := wantClass(t, err, StartFailed, "could not be started"); known.Data.Name != name || n < 3 && !strings.Contains(known.Reason, name+" was not created: ") {
			t.Errorf("the error is %q, %+v", known.Reason, known.Data)
		}
		wantFamily(t, f.Engine, map[string]string{})
		f.mustBeClean()
	}
	proxy.Inject(0)
	c := f.create(api.CreateParams{Image: image, Name: name, Command: []string{"serve"}})
	failsToStart(3) // the first is that of what runs
	_, err := f.Scale(t.Context(), name, 4)
	wantClass(t, err, StartFailed, "no replica was added to "+name+": "+siblingName(name, 3))
	if now, _ := f.Container(name); now != c {
		t.Errorf("it is %+v", now)
	}
	wantFamily(t, f.Engine, family(name, api.StateRunning, 1))
	proxy.Inject(0)
	f.remove(name, false)
	f.mustBeClean()
}

// An image can carry labels, which its containers would have if we did not set them.
func TestAnImageCannotMakeAContainerASibling(t *testing.T) {
	f := setUp(t)
	web := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web"), Command: []string{"serve"}})
	evil := f.build("evil", "LABEL "+labelSibling+"="+web.Name+" "+labelEdition+"=x")
	c, err := f.Create(t.Context(), api.CreateParams{Image: evil, Name: siblingName(web.Name, 2), Command: []string{"serve"}}, "another")
	if err != nil {
		t.Fatal(err)
	}
	if c.ReplicaOf != "" || len(f.state.at(web.Domain)) != 1 {
		t.Errorf("it is %+v", c)
	}
	f.remove(c.Name, false)
	f.remove(web.Name, false)
	f.mustBeClean()
}
