package engine

import (
	"slices"
	"testing"

	dockersystem "github.com/docker/docker/api/types/system"

	"github.com/dockwire/dockwire/client/api"
)

func TestEverythingThatAHostDoesNotEnforceIsNamed(t *testing.T) {
	whole := dockersystem.Info{
		MemoryLimit: true, SwapLimit: true, CPUCfsQuota: true, PidsLimit: true, CgroupDriver: "systemd",
		SecurityOptions: []string{"name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"},
	}
	if gaps := hostGaps(&whole); len(gaps) != 0 {
		t.Errorf("a whole host lacks %+v", gaps)
	}
	none := dockersystem.Info{CgroupDriver: "none", SecurityOptions: []string{"name=seccomp,profile=unconfined"}}
	var missing []string
	for _, gap := range hostGaps(&none) {
		missing = append(missing, gap.Missing)
		if gap.Mend == "" || gap.Refused == (gap.Missing == "AppArmor") {
			t.Errorf("the gap %+v", gap)
		}
	}
	want := []string{"the memory limit", "the swap limit", "the CPU limit", "the pids limit", "cgroups", "seccomp", "AppArmor"}
	if !slices.Equal(missing, want) {
		t.Errorf("of a bare host is missing %v, want %v", missing, want)
	}
	if refused := notApplied(&none); !slices.Equal(refused, want[:6]) {
		t.Errorf("create refuses because of %v", refused)
	}
}

func TestTheRuntimeOfStrictContainersHasToBeRegistered(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.StrictRuntime = "nosuch" })
	p := api.CreateParams{Image: f.build("game", "USER 1000"), Name: f.name("web"), Profile: profileStrict}
	_, err := f.Create(t.Context(), p, "")
	wantClass(t, err, Invalid, "the runtime nosuch")
	gaps, err := f.Unenforced(t.Context())
	if err != nil || !slices.ContainsFunc(gaps, func(g Gap) bool { return g.Missing == "the runtime nosuch of strict containers" }) {
		t.Errorf("what is not enforced: %+v, %v", gaps, err)
	}
	f.cfg.StrictRuntime = "io.containerd.runc.v2" // as good as any that is not the default
	f.create(p)
	if inspect, err := f.Inspect(t.Context(), p.Name, false); err != nil || inspect.Security.Runtime != f.cfg.StrictRuntime {
		t.Errorf("it runs in %q, %v", inspect.Security.Runtime, err)
	}
}
