package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
)

// Inspect gives all that is known of the container called name; with full, the
// engine's own document too.
func (e *Engine) Inspect(ctx context.Context, name string, full bool) (api.Inspect, error) {
	r, err := e.find(ctx, name)
	if err != nil {
		return api.Inspect{}, err
	}
	found, err := ask(ctx, func(ctx context.Context) (document, error) { return e.inspect(ctx, r.ID) })
	if err != nil {
		return api.Inspect{}, e.wrap(err, kindContainer, name, "%s cannot be inspected", name)
	}
	r = e.recordOf(found.InspectResponse)
	image, err := e.imageFor(ctx, r)
	if err != nil && classOf(err) != NotFound {
		return api.Inspect{}, err
	}
	answer := api.Inspect{
		Container:     r.Container,
		Configuration: configurationOf(found.InspectResponse),
		Limits:        limitsOf(found.HostConfig),
		Security:      securityFacts(found.InspectResponse),
		Network:       e.networkOf(found),
		Mounts:        e.mountsOf(found.Mounts),
		ImageDetails:  image,
	}
	if full {
		answer.Engine = found.raw
	}
	return answer, nil
}

// document is what the engine says of a container and its network.
type document struct {
	container.InspectResponse
	raw     json.RawMessage
	network network.Inspect
}

func (e *Engine) inspect(ctx context.Context, id string) (document, error) {
	c, raw, err := e.cli.ContainerInspectWithRaw(ctx, id, false)
	if err != nil {
		return document{}, err
	}
	n, err := e.cli.NetworkInspect(ctx, string(c.HostConfig.NetworkMode), network.InspectOptions{})
	return document{c, raw, n}, err
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

func (e *Engine) networkOf(found document) api.Network {
	labels := found.Config.Labels
	n := api.Network{Name: labels[labelNetwork], Internal: found.network.Internal}
	if n.Name == "" {
		n.Name = labels[labelName]
	}
	if addr := addressOf(found.InspectResponse); addr.IsValid() {
		n.Address = addr.String()
	}
	for _, config := range found.network.IPAM.Config {
		n.Subnet, n.Gateway = config.Subnet, config.Gateway
	}
	if endpoint := found.NetworkSettings.Networks[found.network.Name]; endpoint != nil && n.Gateway == "" {
		n.Gateway = endpoint.Gateway // an older engine tells it here only
	}
	return n
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
