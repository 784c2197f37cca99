package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
)

// Inspect gives all that is known of the container called name, from memory but
// for what was not asked for before: its image and its network. With full, the
// engine is asked for its own document of the container, which is in the answer
// too.
func (e *Engine) Inspect(ctx context.Context, name string, full bool) (api.Inspect, error) {
	r, err := e.find(ctx, name)
	if err != nil {
		return api.Inspect{}, err
	}
	var document json.RawMessage
	if full {
		if r, document, err = e.look(ctx, r.ID, readTimeout); err != nil {
			return api.Inspect{}, e.wrap(err, kindContainer, name, "%s cannot be inspected", name)
		}
	}
	network, err := e.networkOf(ctx, r)
	if err != nil {
		return api.Inspect{}, err
	}
	image, err := e.imageFor(ctx, r)
	if err != nil && classOf(err) != NotFound {
		return api.Inspect{}, err
	}
	previous, err := e.previousOf(ctx, name)
	if err != nil {
		return api.Inspect{}, err
	}
	return api.Inspect{
		Container:     r.Container,
		Configuration: r.details.ownConfiguration(),
		Limits:        r.details.limits,
		Security:      r.details.security,
		Network:       network,
		Mounts:        r.details.mounts,
		ImageDetails:  image,
		Engine:        document,
		Previous:      previous,
		Tasks:         e.familyTasks(r),
	}, nil
}

// previousOf gives what inspect tells of the container that the one called name
// has replaced; nil if there is none.
func (e *Engine) previousOf(ctx context.Context, name string) (*api.Previous, error) {
	kept, ok, err := e.kept(ctx, name)
	if err != nil || !ok {
		return nil, err
	}
	return &api.Previous{ID: kept.ID, Image: kept.Image, Commit: kept.Commit, Created: kept.Created, Finished: kept.Finished}, nil
}

// kept gives the container that the one called name has replaced, if it has one.
func (e *Engine) kept(ctx context.Context, name string) (*record, bool, error) {
	if kept, ok := e.state.replaced(name); ok && e.state.inDoubt(kept.ID) {
		if err := e.clear(ctx, kept.ID, readTimeout); err != nil {
			return nil, false, e.wrap(err, kindPrevious, name, "the previous container of %s cannot be inspected", name)
		}
	}
	r, ok := e.state.replaced(name)
	return r, ok, nil
}

// details are what inspect tells of a container besides the Container, as far as
// the container itself says it. They are never changed.
type details struct {
	configuration api.Configuration
	limits        api.Limits
	security      api.Security
	mounts        []api.Mount
	networkMode   string // what the engine calls its network
	networkID     string // "" before the first start, or where the engine does not say
	gateway       string // as an older engine tells it here only
	address       string // its own, "" when it does not run
}

func (e *Engine) detailsOf(c container.InspectResponse) details {
	d := details{
		configuration: configurationOf(c),
		limits:        limitsOf(c.HostConfig),
		security:      securityFacts(c),
		mounts:        e.mountsOf(c.Mounts),
		networkMode:   string(c.HostConfig.NetworkMode),
	}
	if c.NetworkSettings == nil {
		return d
	}
	if endpoint := c.NetworkSettings.Networks[d.networkMode]; endpoint != nil {
		d.networkID, d.gateway, d.address = endpoint.NetworkID, endpoint.Gateway, endpoint.IPAddress
	}
	return d
}

// ownConfiguration gives a configuration of which the caller may change the
// environment.
func (d details) ownConfiguration() api.Configuration {
	own := d.configuration
	own.Environment = maps.Clone(own.Environment)
	return own
}

// surroundings are the image and the network of a container. They stay what they
// are for as long as it is there, so that the engine is asked for them once.
type surroundings struct {
	image   atomic.Pointer[image.Summary]
	network atomic.Pointer[network.Inspect]
}

func configurationOf(c container.InspectResponse) api.Configuration {
	return api.Configuration{
		Command:     append([]string{c.Path}, c.Args...),
		Environment: variablesOf(c.Config.Env),
		WorkingDir:  c.Config.WorkingDir,
		Restart:     string(c.HostConfig.RestartPolicy.Name),
		Init:        valueOf(c.HostConfig.Init),
		StopSignal:  cmp.Or(c.Config.StopSignal, "SIGTERM"),
		Profile:     c.Config.Labels[labelProfile],
	}
}

func variablesOf(env []string) map[string]*string {
	variables := map[string]*string{}
	for _, variable := range env {
		key, value, _ := strings.Cut(variable, "=")
		variables[key] = &value
	}
	return variables
}

func limitsOf(h *container.HostConfig) api.Limits {
	size, _ := strconv.ParseInt(h.LogConfig.Config["max-size"], 10, 64)
	files, _ := strconv.ParseInt(h.LogConfig.Config["max-file"], 10, 64)
	return api.Limits{
		Memory: h.Memory,
		CPUs:   float64(h.NanoCPUs) / 1e9,
		Pids:   valueOf(h.PidsLimit),
		Files:  ulimitsOf(h)["nofile"].Hard,
		Shm:    h.ShmSize,
		LogMax: size * files,
	}
}

func securityFacts(c container.InspectResponse) api.Security {
	capabilities := slices.Clone([]string(c.HostConfig.CapAdd))
	for i, name := range capabilities {
		capabilities[i] = strings.TrimPrefix(name, "CAP_")
	}
	slices.Sort(capabilities)
	return api.Security{
		User:            c.Config.User,
		Capabilities:    orEmpty(capabilities),
		NoNewPrivileges: slices.Contains(c.HostConfig.SecurityOpt, noNewPrivileges),
		Seccomp:         "default",
		AppArmor:        c.AppArmorProfile,
		ReadOnly:        c.HostConfig.ReadonlyRootfs,
		Runtime:         c.HostConfig.Runtime,
	}
}

func (e *Engine) networkOf(ctx context.Context, r *record) (api.Network, error) {
	found, err := e.networkFor(ctx, r)
	if err != nil {
		return api.Network{}, e.wrap(err, kindContainer, r.Name, "the network of %s cannot be inspected", r.Name)
	}
	n := api.Network{Name: cmp.Or(r.network, r.Name), Internal: found.Internal, Address: r.details.address}
	for _, config := range found.IPAM.Config {
		n.Subnet, n.Gateway = config.Subnet, config.Gateway
	}
	n.Gateway = cmp.Or(n.Gateway, r.details.gateway)
	return n, nil
}

// networkFor asks for the network that a container is in, unless that is known.
func (e *Engine) networkFor(ctx context.Context, r *record) (*network.Inspect, error) {
	if known := r.around.network.Load(); known != nil && known.ID == r.details.networkID {
		return known, nil
	}
	found, err := ask(ctx, func(ctx context.Context) (network.Inspect, error) {
		return e.cli.NetworkInspect(ctx, r.details.networkMode, network.InspectOptions{})
	})
	if errdefs.IsNotFound(err) { // someone removed it
		return &network.Inspect{}, nil
	}
	if err != nil {
		return nil, err
	}
	found = network.Inspect{ID: found.ID, Internal: found.Internal, IPAM: found.IPAM}
	r.around.network.Store(&found)
	return &found, nil
}

func (e *Engine) mountsOf(found []container.MountPoint) []api.Mount {
	mounts := []api.Mount{}
	for _, m := range found {
		if name, ours := e.volumeOf(m); ours {
			mounts = append(mounts, api.Mount{Volume: name, Path: m.Destination})
		}
	}
	slices.SortFunc(mounts, func(a, b api.Mount) int { return strings.Compare(a.Path, b.Path) })
	return mounts
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
