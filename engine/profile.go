package engine

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"

	"github.com/dockwire/dockwire/client/api"
)

// The profiles that create takes.
const (
	profileDefault = "default"
	profileStrict  = "strict"
)

// spec is everything that decides how a container is made. Defaults are filled
// in, and all of it was checked.
type spec struct {
	api.CreateParams
	asked   api.CreateParams // without the defaults
	image   facts
	labels  map[string]string // the container's own; every key of ours
	domain  string            // the custom one, else NAME.BASE
	url     string            // "" without a port
	port    int
	network string // as the engine calls it
	address netip.Addr
	reach   string // ReachAddress or ReachPublished
	runtime string // "" for the engine's default
	mounts  []mount.Mount

	of      string // whose sibling it is; "" for one that is nobody's
	edition string // which create or update it is of

	replaces bool // it is to replace the container that has the name, and goes into its network
}

func (s spec) owner() string { return s.labels[labelOwner] }

// publishes says whether the container's port is published on loopback.
func (s spec) publishes() bool { return s.reach == ReachPublished && s.port != 0 }

func (s spec) strict() bool { return s.Profile == profileStrict }

// defaultCapabilities let ordinary images work as root: change owners, drop to
// a user, open low ports.
var defaultCapabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// The values of every container that no caller can change.
const (
	noNewPrivileges = "no-new-privileges"

	oomScore       = 500 // the kernel kills containers before the host's own
	maxFiles       = 8192
	shmSize        = 64 << 20
	logFiles       = 3
	logFileSize    = 10 << 20
	shortestHealth = 10 * time.Second // between two health checks
)

// config gives what runs in the container. The image's user, entrypoint and
// working directory hold.
func (s spec) config() *container.Config {
	c := &container.Config{
		Hostname:    s.Name,
		Image:       s.image.id,
		Cmd:         s.Command,
		Env:         s.environment(),
		Labels:      s.labels,
		Healthcheck: slowHealthcheck(s.image.healthcheck),
	}
	if s.publishes() {
		c.ExposedPorts = nat.PortSet{publishedPort(s.port): {}}
	}
	return c
}

// hostConfig gives what the container may do and use. The caller's part in it
// are three limits, the restart policy, the init and named volumes.
func (s spec) hostConfig() *container.HostConfig {
	host := &container.HostConfig{
		NetworkMode:   container.NetworkMode(s.network),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.Restart)},
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{
			"max-size": strconv.Itoa(logFileSize), "max-file": strconv.Itoa(logFiles),
		}},
		CapDrop:      []string{"ALL"},
		CapAdd:       slices.Clone(defaultCapabilities),
		SecurityOpt:  []string{noNewPrivileges},
		IpcMode:      container.IPCModePrivate,
		CgroupnsMode: container.CgroupnsModePrivate,
		OomScoreAdj:  oomScore,
		ShmSize:      shmSize,
		Init:         s.Init,
		Mounts:       s.mounts,
		Runtime:      s.runtime,
		Resources: container.Resources{
			Memory:     s.Memory,
			MemorySwap: s.Memory, // memory and swap together: no swap
			NanoCPUs:   int64(math.Round(s.CPUs * 1e9)),
			PidsLimit:  &s.Pids,
			Ulimits: []*container.Ulimit{
				{Name: "nofile", Soft: maxFiles, Hard: maxFiles},
				{Name: "core", Soft: 0, Hard: 0},
			},
		},
	}
	if s.publishes() {
		host.PortBindings = publication(s.port)
	}
	if s.strict() {
		host.CapAdd = nil
		host.ReadonlyRootfs = true
		host.Tmpfs = map[string]string{
			"/tmp": "rw,noexec,nosuid,nodev,size=" + strconv.Itoa(64*units.MiB),
			"/run": "rw,noexec,nosuid,nodev,size=" + strconv.Itoa(16*units.MiB),
		}
	}
	return host
}

// networking puts the container into its one network, where others that share
// it find it by the name that the engine calls it by: one that is to replace it
// is not found by that name before it does. Its address there is its own until
// it is removed.
func (s spec) networking() *network.NetworkingConfig {
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		s.network: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: s.address.String()}},
	}}
}

// environment gives the caller's variables, and ours where it has not set them.
func (s spec) environment() []string {
	all := map[string]string{"DOMAIN": s.domain}
	if s.port != 0 {
		all["PORT"], all["URL"] = strconv.Itoa(s.port), s.url
	}
	maps.Copy(all, s.Environment)
	variables := make([]string, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		variables = append(variables, key+"="+all[key])
	}
	return variables
}

// slowHealthcheck keeps an image from checking its health every millisecond.
// Zero means the engine's own default.
func slowHealthcheck(check *container.HealthConfig) *container.HealthConfig {
	if check == nil {
		return nil
	}
	slow := *check
	for _, interval := range []*time.Duration{&slow.Interval, &slow.StartInterval} {
		if *interval != 0 {
			*interval = max(*interval, shortestHealth)
		}
	}
	return &slow
}
