package engine

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/dockwire/dockwire/client/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestProfilesAreAsTheGoldenFilesSay(t *testing.T) {
	e := newEngine(Config{Instance: "dockwire", Base: "localhost", Ingress: "http://localhost:8420"}, nil)
	full := api.CreateParams{
		Image: "game", Name: "web", Profile: profileDefault, Environment: map[string]string{"MODE": "prod", "PORT": "9000"},
		Command: []string{"serve", "-x"}, Port: ptr(9000), Domain: "shop.example.com", Network: "shop",
		Memory: 64 << 20, CPUs: 0.5, Pids: 32, Restart: "on-failure", Init: ptr(false),
	}
	for name, p := range map[string]api.CreateParams{
		"default":   {Image: "game", Name: "web"},
		"strict":    {Image: "game", Name: "web", Profile: profileStrict},
		"full":      full,
		"published": {Image: "game", Name: "web"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := checkCreate(p, "localhost")
			if err != nil {
				t.Fatal(err)
			}
			s := goldenSpec(e, p)
			if name == "published" {
				s.reach = ReachPublished
			}
			compareGolden(t, name, s)
		})
	}
}

func goldenSpec(e *Engine, p api.CreateParams) spec {
	s := spec{
		CreateParams: p,
		domain:       e.domainOf(p.Name, p.Domain),
		port:         portOf(p.Port, nil),
		network:      "dockwire.dockwire.network.web",
		address:      netip.MustParseAddr("10.231.8.2"),
		mounts:       []mount.Mount{{Type: mount.TypeVolume, Source: "dockwire.dockwire.volume.data", Target: "/data"}},
		image: facts{
			id: "sha256:abc", user: "app",
			healthcheck: &container.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Millisecond},
			labels:      map[string]string{labelURL: "https://example.com/game.git", labelCommit: testCommit, labelDomain: "stolen.example.com"},
		},
	}
	s.url = e.urlOf(s.domain)
	s.labels = e.containerLabels(s, "owner-1")
	return s
}

func compareGolden(t *testing.T, name string, s spec) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{"config": s.config(), "host": s.hostConfig(), "networking": s.networking()}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the profile %s is not as in %s (write it anew with -update, and look at what changed):\n%s", name, file, got.Bytes())
	}
}

func TestHealthChecksAreSlowedDown(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{
		0: 0, time.Millisecond: shortestHealth, time.Minute: time.Minute,
	} {
		check := &container.HealthConfig{Interval: given, StartInterval: given, Retries: 2}
		slow := slowHealthcheck(check)
		if slow.Interval != want || slow.StartInterval != want || slow.Retries != 2 || check.Interval != given {
			t.Errorf("%v became %+v", given, slow)
		}
	}
	if slowHealthcheck(nil) != nil {
		t.Error("an image without a health check got one")
	}
}

func TestThePortIsWhatWasAskedElseTheOnlyOneExposed(t *testing.T) {
	for _, c := range []struct {
		asked   *int
		exposed []int
		want    int
	}{
		{nil, nil, 8080}, {nil, []int{80}, 80}, {nil, []int{80, 443}, 8080}, {ptr(3000), []int{80}, 3000}, {ptr(0), []int{80}, 0},
	} {
		if got := portOf(c.asked, c.exposed); got != c.want {
			t.Errorf("%v of %v gave %d, want %d", c.asked, c.exposed, got, c.want)
		}
	}
}

func TestEveryValueThatTheEngineChangesIsNoticed(t *testing.T) {
	e := newEngine(Config{Instance: "dockwire", Base: "localhost"}, nil)
	p, _ := checkCreate(api.CreateParams{Image: "game", Name: "web", Profile: profileStrict}, "localhost")
	want := goldenSpec(e, p).hostConfig()
	for name, spoil := range map[string]func(*container.HostConfig){
		"":                   func(*container.HostConfig) {},
		"memory":             func(h *container.HostConfig) { h.Memory = 0 },
		"pids":               func(h *container.HostConfig) { h.PidsLimit = nil },
		"privileged":         func(h *container.HostConfig) { h.Privileged = true },
		"capabilities added": func(h *container.HostConfig) { h.CapAdd = []string{"SYS_ADMIN"} },
		"security options":   func(h *container.HostConfig) { h.SecurityOpt = nil },
		"read-only root":     func(h *container.HostConfig) { h.ReadonlyRootfs = false },
		"binds":              func(h *container.HostConfig) { h.Binds = []string{"/:/host"} },
		"ulimits":            func(h *container.HostConfig) { h.Ulimits = nil },
		"cgroup parent":      func(h *container.HostConfig) { h.CgroupParent = "/" },
		"OOM killer off":     func(h *container.HostConfig) { h.OomKillDisable = ptr(true) },
		"runtime":            func(h *container.HostConfig) { h.Runtime = "other" },
		"IPC namespace":      func(h *container.HostConfig) { h.IpcMode = container.IPCModeHost },
		"tmpfs":              func(h *container.HostConfig) { delete(h.Tmpfs, "/run") },
		"masked paths":       func(h *container.HostConfig) { h.MaskedPaths = nil },
	} {
		got := goldenSpec(e, p).hostConfig()
		got.MaskedPaths, got.ReadonlyPaths = []string{"/proc/kcore"}, []string{"/proc/sys"}
		got.Devices, got.PortBindings = []container.DeviceMapping{}, nil
		spoil(got)
		if different := differences(want, got); (name == "") != (len(different) == 0) || name != "" && different[0] != name {
			t.Errorf("with another value of %q the differences are %v", name, different)
		}
	}
}
