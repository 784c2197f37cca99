package engine

import (
	"context"
	"slices"
	"strings"

	dockersystem "github.com/docker/docker/api/types/system"
	"go.uber.org/zap"
)

// Gap is something of what makes a container safe that this host or its engine
// does not enforce.
type Gap struct {
	Missing string // what is not enforced
	Mend    string // what to do about it
	Refused bool   // create refuses because of it
}

// Unenforced gives what the host does not enforce, as far as that can be known
// before a container is created. It waits up to two seconds for the engine to
// answer, then it is Unavailable.
func (e *Engine) Unenforced(ctx context.Context) ([]Gap, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	return e.gaps(ctx, e.info.Load()), nil
}

func (e *Engine) gaps(ctx context.Context, info *dockersystem.Info) []Gap {
	gaps := hostGaps(info)
	if e.missesRuntime(info) {
		gaps = append(gaps, Gap{"the runtime " + e.cfg.StrictRuntime + " of strict containers", "register it in the engine's configuration, or leave out --strict-runtime", true})
	}
	return append(append(gaps, e.firewallGaps(ctx)...), e.buildGaps()...)
}

// hostGaps gives what the engine says of itself and its host. Limits that it
// stores but cannot apply are among it.
func hostGaps(info *dockersystem.Info) []Gap {
	var gaps []Gap
	for _, c := range []struct {
		kept bool
		gap  Gap
	}{
		{info.MemoryLimit, Gap{"the memory limit", "boot the kernel with cgroup_enable=memory", true}},
		{info.SwapLimit, Gap{"the swap limit", "boot the kernel with swapaccount=1", true}},
		{info.CPUCfsQuota, Gap{"the CPU limit", "use a kernel with CONFIG_CFS_BANDWIDTH", true}},
		{info.PidsLimit, Gap{"the pids limit", "use a kernel with CONFIG_CGROUP_PIDS", true}},
		{info.CgroupDriver != "none", Gap{"cgroups", "use an engine that runs as root, or cgroup v2 with delegation", true}},
		{confined(info.SecurityOptions, "seccomp"), Gap{"seccomp", "use a kernel and an engine with seccomp, and its default profile", true}},
		{confined(info.SecurityOptions, "apparmor") || confined(info.SecurityOptions, "selinux"),
			Gap{"AppArmor", "install apparmor, boot with it, and restart the engine", false}},
	} {
		if !c.kept {
			gaps = append(gaps, c.gap)
		}
	}
	return gaps
}

// notApplied gives the names of those gaps for which create refuses.
func notApplied(info *dockersystem.Info) []string {
	var missing []string
	for _, gap := range hostGaps(info) {
		if gap.Refused {
			missing = append(missing, gap.Missing)
		}
	}
	return missing
}

// confined says whether one of the engine's security options is in use.
func confined(options []string, name string) bool {
	return slices.ContainsFunc(options, func(option string) bool {
		found, _, _ := strings.Cut(strings.TrimPrefix(option, "name="), ",")
		return found == name && !strings.Contains(option, "unconfined")
	})
}

const uncovered = "the firewall: containers reach what listens on this host, and the cloud's metadata addresses"

func (e *Engine) firewallGaps(ctx context.Context) []Gap {
	chosen := e.firewallMode.Load()
	switch err := e.keepFirewall(ctx); {
	case err != nil:
		return []Gap{{uncovered, err.Error(), true}}
	case chosen.why != nil:
		return []Gap{{uncovered, chosen.why.Error(), false}}
	case chosen.mode == FirewallOff:
		return []Gap{{uncovered, "leave out --firewall off", false}}
	}
	return nil
}

func (e *Engine) missesRuntime(info *dockersystem.Info) bool {
	_, registered := info.Runtimes[e.cfg.StrictRuntime]
	return e.cfg.StrictRuntime != "" && !registered
}

// sayGaps logs what the host does not enforce, a line each.
func (e *Engine) sayGaps(ctx context.Context) {
	for _, gap := range e.gaps(ctx, e.info.Load()) {
		e.log.Warn("not enforced here", zap.String("what", gap.Missing), zap.String("mend", gap.Mend), zap.Bool("createRefuses", gap.Refused))
	}
}
