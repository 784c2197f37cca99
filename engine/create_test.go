package engine

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestParametersOfCreateAreRefusedBeforeTheEngineIsAsked(t *testing.T) {
	e := newEngine(Config{Instance: "dockwire", Base: "localhost"}, nil) // a call to the engine would panic
	for param, p := range map[string]api.CreateParams{
		"name":        {Name: "Web"},
		"profile":     {Profile: "privileged"},
		"restart":     {Restart: "always"},
		"port":        {Port: ptr(65536)},
		"environment": {Environment: map[string]string{"A=B": ""}},
		"command":     {Command: []string{""}},
		"domain":      {Domain: "other.localhost"},
		"network":     {Network: "host!"},
		"volumes":     {Volumes: []string{"/etc:/etc"}},
	} {
		p.Image = "game"
		if p.Name == "" {
			p.Name = "web"
		}
		_, err := e.Create(t.Context(), p, "")
		if got := wantClass(t, err, Invalid, "").Data.Param; got != param {
			t.Errorf("%+v was refused for %s, want %s", p, got, param)
		}
	}
}

func TestACreateThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.AllowImages = []string{"localhost:1/*"} })
	image, rootless := f.build("game"), f.build("rootless", "USER nobody")
	none, taken, foreign := false, f.name("taken"), f.name("foreign")
	if _, err := f.Create(t.Context(), api.CreateParams{Image: image, Name: taken, Domain: "taken.example.com", Start: &none}, "another"); err != nil {
		t.Fatal(err)
	}
	f.runForeign(image, foreign)
	before := f.left(t.Context())

	for name, c := range map[string]struct {
		p      api.CreateParams
		class  Class
		text   string
		detail func(*Error) bool
	}{
		"an image that was not built": {api.CreateParams{Image: "nosuch"}, NotFound, "build it first",
			func(e *Error) bool { return e.Data.Kind == "image" && e.Data.Name == "nosuch" }},
		"a build that there is not":      {api.CreateParams{Image: image + ":fffffff"}, NotFound, "build it first", nil},
		"an image that is not ours":      {api.CreateParams{Image: "alpine:3"}, NotFound, "build it first", nil},
		"no image name":                  {api.CreateParams{Image: "../x"}, Invalid, "image", nil},
		"an image that cannot be pulled": {api.CreateParams{Image: "localhost:1/x"}, NotFound, "could not be pulled", nil},
		"a taken name": {api.CreateParams{Name: taken}, Conflict, "there is a container called",
			func(e *Error) bool { return e.Data.Holder == taken }},
		"a foreign name": {api.CreateParams{Name: foreign}, Conflict, "not ours",
			func(e *Error) bool { return strings.Contains(e.Data.Holder, image) }},
		"a taken domain": {api.CreateParams{Domain: "taken.example.com"}, Conflict, "belongs to the container " + taken,
			func(e *Error) bool { return e.Data.Kind == "domain" && e.Data.Holder == taken }},
		"more memory than there is": {api.CreateParams{Memory: 1 << 50}, Invalid, "memory", nil},
		"too little memory":         {api.CreateParams{Memory: 1}, Invalid, "memory", nil},
		"more cores than there are": {api.CreateParams{CPUs: 1e6}, Invalid, "cpus", nil},
		"no processes":              {api.CreateParams{Pids: -1}, Invalid, "pids", nil},
		"root in the strict profile": {api.CreateParams{Profile: profileStrict}, Invalid, "USER",
			func(e *Error) bool { return e.Data.Param == "profile" }},
		"a user that nobody knows in the strict profile": {api.CreateParams{Profile: profileStrict, Image: rootless}, Invalid, "passwd", nil},
		"a named user and volumes in the strict profile": {api.CreateParams{Profile: profileStrict, Image: rootless, Volumes: []string{"data:/data"}}, Invalid, "a number", nil},
		"a command that is not there, with init":         {api.CreateParams{Image: f.build("lost", `ENTRYPOINT ["nosuch"]`)}, StartFailed, `"nosuch"`, exitedWith(127)},
		"a command that is not there":                    {api.CreateParams{Image: f.build("lost2", `ENTRYPOINT ["nosuch"]`), Init: &none, Network: "lost", Volumes: []string{"lost:/data"}}, StartFailed, `"nosuch"`, exitedWith(127)},
		"a volume in place of a file": {api.CreateParams{Volumes: []string{f.name("data") + ":/probe"}}, Invalid, "has a file where a volume",
			func(e *Error) bool { return e.Data.Param == "volumes" }},
		"a command that is a directory": {api.CreateParams{Image: f.build("dir", `ENTRYPOINT ["/proc"]`)}, StartFailed, "not an executable", exitedWith(126)},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.Name = cmp.Or(c.p.Name, f.name("web"))
			c.p.Image = cmp.Or(c.p.Image, image)
			_, err := f.Create(t.Context(), c.p, "tester")
			if known := wantClass(t, err, c.class, c.text); c.detail != nil && !c.detail(known) {
				t.Errorf("the details are %+v", known.Data)
			}
			if after := f.left(t.Context()); !slices.Equal(before, after) {
				t.Errorf("it left %v, before there was %v", after, before)
			}
			if _, known := f.Container(c.p.Name); known && c.p.Name != taken {
				t.Error("it is known")
			}
		})
	}
}

func exitedWith(code int) func(*Error) bool {
	return func(e *Error) bool { return e.Data.ExitCode != nil && *e.Data.ExitCode == code }
}

// A hundred replicas that were made are two hundred steps back.
func TestAllThatWasDoneIsUndoneHoweverMuchItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var undo undoing
		undone := 0
		for range 2 * mostReplicasHere {
			undo.add(func(ctx context.Context) error {
				pause(ctx, time.Second)
				undone++
				return ctx.Err()
			})
		}
		core, logged := observer.New(zap.WarnLevel)
		undo.run(t.Context(), zap.New(core))
		if undone != len(undo) || logged.Len() > 0 {
			t.Errorf("of %d steps %d were tried, and %d failed", len(undo), undone, logged.Len())
		}
	})
}

func TestAContainerWhoseLimitsAreNotAppliedIsRemoved(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	if err := f.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	weak := *f.info.Load()
	weak.PidsLimit, weak.SecurityOptions = false, nil
	f.info.Store(&weak)
	_, err := f.Create(t.Context(), api.CreateParams{Image: image, Name: f.name("web")}, "")
	wantClass(t, err, StartFailed, "the pids limit; seccomp")
	f.mustBeClean()
}

// runForeign makes a container that is not ours, of an image of ours, whose
// labels it has.
func (f *fixture) runForeign(image, name string) string {
	f.t.Helper()
	made, err := f.docker.ContainerCreate(f.t.Context(), &container.Config{Image: repository + image}, nil, nil, nil, name)
	if err != nil {
		f.t.Fatal(err)
	}
	return made.ID
}

func TestAForeignContainerIsNeitherSeenNorTouched(t *testing.T) {
	f := setUp(t)
	image, name := f.build("game"), f.name("foreign")
	id := f.runForeign(image, name)
	if err := f.relist(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := f.Containers(t.Context()); err != nil || len(all) != 0 || all == nil {
		t.Errorf("the containers are %v, %v", all, err)
	}
	_, err := f.Remove(t.Context(), name, true)
	wantClass(t, err, NotFound, name)
	if _, err := f.docker.ContainerInspect(t.Context(), id); err != nil {
		t.Errorf("it was touched: %v", err)
	}
}

func TestImagesThatAreAllowedNeedNotBeOurs(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.AllowImages = []string{"probe-*:1"} })
	foreign := f.name("probe") + ":1"
	// Its labels lie, as those of any image may.
	id := enginetest.Probe(t, map[string]string{labelDomain: "bank.example.com", labelCommit: "fedcba9"}, "EXPOSE 53/udp 8053/tcp")
	if err := f.docker.ImageTag(t.Context(), id, foreign); err != nil {
		t.Fatal(err)
	}
	c := f.create(api.CreateParams{Image: foreign, Name: f.name("web")})
	if c.Image != foreign || c.Port != 8053 || c.Commit != "" || c.Domain != c.Name+".test.localhost" {
		t.Errorf("create answered %+v", c)
	}
	if image, err := f.Image(t.Context(), c.Name); err != nil || image.Name != foreign || image.URL != "" || !slices.Equal(image.Containers, []string{c.Name}) {
		t.Errorf("its image is %+v, %v", image, err)
	}
	f.remove(c.Name, false)
	f.mustBeClean()
}

func TestTwoCreatesOfOneNameOrDomainMakeOneContainer(t *testing.T) {
	f := setUp(t)
	image, owners := f.build("game"), [2]string{"one", "another"}
	for what, params := range map[string][2]api.CreateParams{
		"name":   {{Name: f.name("same")}, {Name: f.name("same")}},
		"domain": {{Name: f.name("one"), Domain: "one.example.com"}, {Name: f.name("two"), Domain: "one.example.com"}},
	} {
		var wg sync.WaitGroup
		var errs [2]error
		for i, p := range params {
			p.Image = image
			wg.Go(func() { _, errs[i] = f.Create(t.Context(), p, owners[i]) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("of two creates of one %s the errors are %v", what, errs)
		}
		for _, err := range errs {
			if err != nil {
				wantClass(t, err, Conflict, "")
			}
		}
	}
	all, _ := f.Containers(t.Context())
	for _, c := range all {
		f.remove(c.Name, false)
	}
	f.mustBeClean()
}

func TestManyCreatesAtOnceGetNetworksOfTheirOwn(t *testing.T) {
	f := setUp(t)
	image, none := f.build("game"), false
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if _, err := f.Create(t.Context(), api.CreateParams{Image: image, Name: f.name("many" + string(rune('a'+i))), Start: &none}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	networks, err := f.docker.NetworkList(t.Context(), network.ListOptions{Filters: f.ours(kindNetwork)})
	if err != nil || len(networks) != 6 {
		t.Fatalf("there are %d networks, %v", len(networks), err)
	}
	for _, n := range networks {
		if name := n.Options["com.docker.network.bridge.name"]; !strings.HasPrefix(name, "dw-") || len(name) != 15 {
			t.Errorf("a bridge is called %q", name)
		}
	}
	all, _ := f.Containers(t.Context())
	if !slices.IsSortedFunc(all, func(a, b api.Container) int { return strings.Compare(a.Name, b.Name) }) || len(all) != 6 {
		t.Errorf("the list is %v", all)
	}
	for _, c := range all {
		if c.State != api.StateCreated || !c.Started.IsZero() {
			t.Errorf("%+v was not to be started", c)
		}
		f.remove(c.Name, false)
	}
	f.mustBeClean()
}

func TestVolumesOutliveTheirContainerUnlessTheyAreRemovedToo(t *testing.T) {
	f := setUp(t)
	image, name := f.build("game", "VOLUME /cache"), f.name("store")
	p := api.CreateParams{Image: image, Name: name, Volumes: []string{f.name("data") + ":/data"}, Command: []string{"write", "/data/note", "kept"}}
	f.output(f.create(p).ID, "written")
	f.remove(name, false)
	p.Command = []string{"serve"}
	c := f.create(p)
	inspect, err := f.Inspect(t.Context(), name, false)
	if err != nil || !slices.Equal(inspect.Mounts, []api.Mount{{Volume: f.name("data"), Path: "/data"}}) {
		t.Errorf("the mounts are %v, %v", inspect.Mounts, err)
	}
	if _, err := f.docker.ContainerStatPath(t.Context(), c.ID, "/data/note"); err != nil {
		t.Errorf("the note is not there any more: %v", err)
	}
	second := p
	second.Name = f.name("other")
	f.create(second)
	f.remove(name, true)
	if _, err := f.docker.VolumeInspect(t.Context(), f.engineName(kindVolume, f.name("data"))); err != nil {
		t.Errorf("the volume was removed though another container has it: %v", err)
	}
	f.remove(second.Name, true)
	f.mustBeClean()
}

func TestDiffGivesWhatChangedBelowAPath(t *testing.T) {
	f := setUp(t)
	image, name := f.build("game"), f.name("diff")
	c := f.create(api.CreateParams{Image: image, Name: name, Command: []string{"write", "/note", "new"}})
	f.output(c.ID, "written")
	all, err := f.Diff(t.Context(), name, "")
	if err != nil || !slices.Contains(all, api.Change{Path: "/note", Kind: api.ChangeAdded}) {
		t.Errorf("the changes are %v, %v", all, err)
	}
	for path, want := range map[string]int{"/note": 1, "/not": 0, "/": len(all), "/nowhere": 0} {
		if got, err := f.Diff(t.Context(), name, path); err != nil || len(got) != want || got == nil {
			t.Errorf("below %s the changes are %v, %v", path, got, err)
		}
	}
	_, err = f.Diff(t.Context(), name, "note")
	wantClass(t, err, Invalid, "absolute")
}

func TestInspectTellsHowAContainerIsRun(t *testing.T) {
	f := setUp(t)
	image, name := f.build("game", "WORKDIR /srv"), f.name("show")
	f.create(api.CreateParams{Image: image, Name: name, Environment: map[string]string{"SECRET": "s3cret"}, Memory: 64 << 20, CPUs: 0.5, Pids: 50, Command: []string{"serve"}})
	got, err := f.Inspect(t.Context(), name, true)
	if err != nil {
		t.Fatal(err)
	}
	if *got.Configuration.Environment["SECRET"] != "s3cret" || got.Configuration.WorkingDir != "/srv" ||
		!slices.Equal(got.Configuration.Command, []string{"/probe", "serve"}) || !got.Configuration.Init || got.Configuration.Restart != "unless-stopped" {
		t.Errorf("the configuration is %+v", got.Configuration)
	}
	if want := (api.Limits{Memory: 64 << 20, CPUs: 0.5, Pids: 50, Files: 8192, Shm: 64 << 20, LogMax: 30 << 20}); got.Limits != want {
		t.Errorf("the limits are %+v, want %+v", got.Limits, want)
	}
	if len(got.Security.Capabilities) != 11 || !got.Security.NoNewPrivileges || got.Security.ReadOnly {
		t.Errorf("the security is %+v", got.Security)
	}
	if got.Network.Name != name || got.Network.Address != addrOf(f, got.Domain).Addr().String() || !strings.HasSuffix(got.Network.Subnet, "/29") || got.Network.Internal {
		t.Errorf("the network is %+v", got.Network)
	}
	if got.ImageDetails.Commit != testCommit || !slices.Equal(got.ImageDetails.Containers, []string{name}) || len(got.Engine) == 0 || got.Mounts == nil {
		t.Errorf("the rest is %+v", got)
	}
}

// The profile is the only place that decides what a container may do, so that
// one who reads it knows.
func TestOnlyTheProfileMakesHostConfigs(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "profile.go" {
			continue
		}
		if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), "container.HostConfig{") {
			t.Errorf("%s makes a HostConfig, or cannot be read: %v", file, err)
		}
	}
}
