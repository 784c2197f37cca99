package engine

import (
	"strings"

	dockersystem "github.com/docker/docker/api/types/system"

	"github.com/dockwire/dockwire/client/api"
)

// The bounds of what a caller may ask for. The upper ones of memory and CPU are
// the host's own.
const (
	leastMemory  = 6 << 20 // the engine takes no less
	leastCPUs    = 0.01
	leastPids    = 4
	mostPids     = 32768
	mostReplicas = 1000
	mostText     = 128 << 10 // of one variable or argument: the kernel takes no more
)

// The limits of the profiles.
var (
	defaultLimits = api.Limits{Memory: 512 << 20, CPUs: 1, Pids: 512}
	strictLimits  = api.Limits{Memory: 256 << 20, CPUs: 1, Pids: 128}
)

// checkCreate refuses parameters of create that nothing need be asked for, and
// fills in the defaults.
func checkCreate(p api.CreateParams, base string) (api.CreateParams, error) {
	p = withDefaults(p)
	checks := []func(api.CreateParams) error{
		func(p api.CreateParams) error { return checkName("name", p.Name) },
		checkReplicas,
		checkProfile, checkRestart, checkPort, checkEnvironment, checkCommandText,
		func(p api.CreateParams) error {
			if p.Domain == "" {
				return nil
			}
			return checkDomain(p.Domain, base)
		},
		func(p api.CreateParams) error {
			if p.Network == "" {
				return nil
			}
			return checkName("network", p.Network)
		},
	}
	for _, check := range checks {
		if err := check(p); err != nil {
			return p, err
		}
	}
	return p, nil
}

func withDefaults(p api.CreateParams) api.CreateParams {
	yes := true
	setDefault(&p.Profile, profileDefault)
	setDefault(&p.Restart, "unless-stopped")
	setDefault(&p.Init, &yes)
	setDefault(&p.Start, &yes)
	setDefault(&p.Replicas, 1)
	limits := defaultLimits
	if p.Profile == profileStrict {
		limits = strictLimits
	}
	setDefault(&p.Memory, limits.Memory)
	setDefault(&p.CPUs, limits.CPUs)
	setDefault(&p.Pids, limits.Pids)
	return p
}

func setDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

func checkReplicas(p api.CreateParams) error {
	if p.Replicas < 0 || p.Replicas > mostReplicas {
		return invalid("replicas", "replicas %d is not allowed: give 1 to %d", p.Replicas, mostReplicas)
	}
	return nil
}

func checkProfile(p api.CreateParams) error {
	if p.Profile != profileDefault && p.Profile != profileStrict {
		return invalid("profile", "profile %s is not known: give default or strict", quote(p.Profile))
	}
	return nil
}

func checkRestart(p api.CreateParams) error {
	switch p.Restart {
	case "no", "on-failure", "unless-stopped":
		return nil
	}
	return invalid("restart", "restart %s is not known: give no, on-failure or unless-stopped", quote(p.Restart))
}

func checkPort(p api.CreateParams) error {
	if p.Port != nil && (*p.Port < 0 || *p.Port > 65535) {
		return invalid("port", "port %d is not allowed: give 1 to 65535, or 0 for a container that serves none", *p.Port)
	}
	return nil
}

func checkEnvironment(p api.CreateParams) error {
	for key, value := range p.Environment {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return invalid("environment", "the variable %s is not allowed: a name is not empty and has no =", quote(key))
		}
		if strings.Contains(value, "\x00") || len(key)+len(value) > mostText {
			return invalid("environment", "the value of %s is not allowed: at most %d bytes, and no zero byte", quote(key), mostText)
		}
	}
	return nil
}

func checkCommandText(p api.CreateParams) error {
	for i, argument := range p.Command {
		if i == 0 && argument == "" || strings.Contains(argument, "\x00") || len(argument) > mostText {
			return invalid("command", "argument %d of command is not allowed: at most %d bytes, no zero byte, and the first not empty", i, mostText)
		}
	}
	return nil
}

// checkLimits refuses limits that make no sense on this host.
func checkLimits(p api.CreateParams, info *dockersystem.Info) error {
	switch {
	case p.Memory < leastMemory || p.Memory > info.MemTotal:
		return invalid("memory", "memory %d is not allowed: give bytes from %d to the host's %d", p.Memory, leastMemory, info.MemTotal)
	case !(p.CPUs >= leastCPUs && p.CPUs <= float64(info.NCPU)):
		return invalid("cpus", "cpus %v is not allowed: give cores from %v to the host's %d", p.CPUs, leastCPUs, info.NCPU)
	case p.Pids < leastPids || p.Pids > mostPids:
		return invalid("pids", "pids %d is not allowed: give %d to %d", p.Pids, leastPids, mostPids)
	}
	return nil
}

// portOf gives the port that a container serves: the one that was asked for,
// else the only one that its image EXPOSEs, else 8080.
func portOf(asked *int, exposed []int) int {
	switch {
	case asked != nil:
		return *asked
	case len(exposed) == 1:
		return exposed[0]
	}
	return 8080
}
