package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
)

// Inspect gives all that is known of the service called name, its tasks and
// their nodes; with full, the swarm's own document too.
func (s *Swarm) Inspect(ctx context.Context, name string, full bool) (api.Inspect, error) {
	r, m, err := s.find(ctx, name)
	if err != nil {
		return api.Inspect{}, err
	}
	found, err := ask(ctx, func(ctx context.Context) (serviceDocument, error) { return m.inspectService(ctx, r.ID) })
	if err != nil {
		return api.Inspect{}, m.wrap(err, kindContainer, name, "%s cannot be inspected", name)
	}
	image, err := m.imageFor(ctx, r)
	if err != nil && classOf(err) != NotFound {
		return api.Inspect{}, err
	}
	c := found.Spec.TaskTemplate.ContainerSpec
	doc := api.Inspect{
		Container: r.Container, Configuration: serviceConfiguration(found.Spec), Limits: serviceLimits(found.Spec.TaskTemplate),
		Security: serviceSecurity(c), Network: serviceNetwork(r, found.network), Mounts: m.serviceMounts(c), ImageDetails: image,
	}
	doc.Tasks, doc.Nodes = tasksOf(r)
	if full {
		doc.Engine = found.raw
	}
	return doc, nil
}

// serviceDocument is what a manager says of a service and its network.
type serviceDocument struct {
	swarm.Service
	raw     json.RawMessage
	network network.Inspect
}

func (m *manager) inspectService(ctx context.Context, id string) (d serviceDocument, err error) {
	if d.Service, d.raw, err = m.cli.ServiceInspectWithRaw(ctx, id, swarm.ServiceInspectOptions{}); err == nil {
		d.network, err = m.cli.NetworkInspect(ctx, networkOfService(d.Service), network.InspectOptions{Scope: "swarm"})
	}
	return d, err
}

// tasksOf gives the tasks of a service, and the nodes that they are on, by name.
func tasksOf(r *record) (tasks []api.Task, nodes []api.Node) {
	for _, t := range r.service.tasks {
		tasks = append(tasks, t.Task)
		if t.node != nil && !slices.Contains(nodes, t.node.Node) {
			nodes = append(nodes, t.node.Node)
		}
	}
	slices.SortFunc(nodes, func(a, b api.Node) int { return strings.Compare(a.Name, b.Name) })
	return tasks, nodes
}

func serviceNetwork(r *record, found network.Inspect) api.Network {
	_, of := overlayOf(r.Name, r.network)
	n := api.Network{Name: of, Internal: found.Internal}
	for _, config := range found.IPAM.Config {
		n.Subnet, n.Gateway = config.Subnet, config.Gateway
	}
	return n
}

func networkOfService(service swarm.Service) string {
	for _, n := range service.Spec.TaskTemplate.Networks {
		return n.Target
	}
	return ""
}

func serviceConfiguration(spec swarm.ServiceSpec) api.Configuration {
	c := spec.TaskTemplate.ContainerSpec
	policy := map[swarm.RestartPolicyCondition]string{
		swarm.RestartPolicyConditionNone: "no", swarm.RestartPolicyConditionOnFailure: "on-failure", swarm.RestartPolicyConditionAny: "unless-stopped",
	}
	variables := variablesOf(c.Env)
	for _, value := range variables {
		*value = strings.ReplaceAll(*value, literal("{{"), "{{")
	}
	return api.Configuration{
		Command: orEmpty(slices.Concat(c.Command, c.Args)), Environment: variables, WorkingDir: c.Dir,
		Restart: policy[spec.TaskTemplate.RestartPolicy.Condition], Init: valueOf(c.Init), StopSignal: "SIGTERM", Profile: spec.Labels[labelProfile],
	}
}

func serviceLimits(t swarm.TaskSpec) api.Limits {
	l := t.Resources.Limits
	return api.Limits{Memory: l.MemoryBytes, CPUs: float64(l.NanoCPUs) / 1e9, Pids: l.Pids, Files: maxFiles, Shm: shmSize, LogMax: logFiles * logFileSize}
}

func serviceSecurity(c *swarm.ContainerSpec) api.Security {
	security := api.Security{User: c.User, Capabilities: withoutCap(c.CapabilityAdd), ReadOnly: c.ReadOnly, Seccomp: "default"}
	if c.Privileges != nil {
		security.NoNewPrivileges = c.Privileges.NoNewPrivileges
	}
	return security
}

func (m *manager) serviceMounts(c *swarm.ContainerSpec) []api.Mount {
	mounts := []api.Mount{}
	for _, found := range c.Mounts {
		if name, ours := strings.CutPrefix(found.Source, m.engineName(kindVolume, "")); ours {
			mounts = append(mounts, api.Mount{Volume: name, Path: found.Target})
		}
	}
	return mounts
}
