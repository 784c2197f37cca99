package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-units"

	"github.com/dockwire/dockwire/client/api"
)

// serviceSpec is everything that decides how a service is made. The profile is
// that of containers, as far as a service has it: swap, the IPC namespace and
// the size of /dev/shm are the engine's own there.
type serviceSpec struct {
	spec
	ref     string // of the image, by its digest
	volumes []mount.Mount
}

func (s *Swarm) serviceSpec(m *manager, p api.CreateParams, volumes []volume, image serviceImage, owner string) serviceSpec {
	sp := serviceSpec{spec: spec{CreateParams: p, image: image.facts, port: portOf(p.Port, image.ports), domain: m.domainOf(p.Name, p.Domain)}, ref: image.ref}
	if sp.port != 0 {
		sp.url = m.urlOf(sp.domain)
	}
	kind, of := overlayOf(p.Name, p.Network)
	sp.network = m.overlayName(kind, of)
	for _, v := range volumes {
		sp.volumes = append(sp.volumes, mount.Mount{
			Type: mount.TypeVolume, Source: m.engineName(kindVolume, v.name), Target: literal(v.path),
			VolumeOptions: &mount.VolumeOptions{Labels: m.labels(kindVolume, v.name)},
		})
	}
	sp.labels = s.serviceLabels(m, sp, owner)
	return sp
}

// literal keeps the swarm from taking a caller's text for a template of its own,
// which could tell of the node.
func literal(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }

func literals(texts []string) []string {
	kept := make([]string, len(texts))
	for i, text := range texts {
		kept[i] = literal(text)
	}
	return kept
}

// How replicas are replaced.
const (
	monitorTime  = 5 * time.Second // a replica that fails so soon after its start has never worked
	restartDelay = time.Second
)

// service gives the service for the swarm.
func (s serviceSpec) service() swarm.ServiceSpec {
	replicas := uint64(s.Replicas)
	if !*s.Start {
		replicas = 0
	}
	spec := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: s.Name, Labels: s.labels},
		TaskTemplate: s.task(),
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		UpdateConfig: rolling(s.order(), 0),
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR},
	}
	if s.port != 0 {
		spec.EndpointSpec.Ports = []swarm.PortConfig{{Protocol: swarm.PortConfigProtocolTCP, TargetPort: uint32(s.port), PublishMode: swarm.PortConfigPublishModeHost}}
	}
	return spec
}

// order says whether a replica goes before its successor comes: with volumes,
// which two would share, it does.
func (s serviceSpec) order() string {
	if len(s.volumes) > 0 {
		return swarm.UpdateOrderStopFirst
	}
	return swarm.UpdateOrderStartFirst
}

func (s serviceSpec) task() swarm.TaskSpec {
	delay := restartDelay
	return swarm.TaskSpec{
		ContainerSpec: s.container(),
		Resources: &swarm.ResourceRequirements{Limits: &swarm.Limit{
			MemoryBytes: s.Memory, NanoCPUs: int64(s.CPUs * 1e9), Pids: s.Pids,
		}},
		RestartPolicy: &swarm.RestartPolicy{Condition: restartCondition(s.Restart), Delay: &delay},
		Networks:      []swarm.NetworkAttachmentConfig{{Target: s.network, Aliases: []string{s.Name}}},
		LogDriver: &swarm.Driver{Name: "json-file", Options: map[string]string{
			"max-size": strconv.Itoa(logFileSize), "max-file": strconv.Itoa(logFiles),
		}},
	}
}

func restartCondition(policy string) swarm.RestartPolicyCondition {
	switch policy {
	case "no":
		return swarm.RestartPolicyConditionNone
	case "on-failure":
		return swarm.RestartPolicyConditionOnFailure
	}
	return swarm.RestartPolicyConditionAny
}

func (s serviceSpec) container() *swarm.ContainerSpec {
	grace := defaultStop
	c := &swarm.ContainerSpec{
		Image:           s.ref,
		Labels:          s.taskLabels(),
		Args:            s.Command,
		Hostname:        s.Name,
		Env:             literals(s.environment()),
		Init:            s.Init,
		StopGracePeriod: &grace,
		Healthcheck:     slowHealthcheck(s.image.healthcheck),
		Mounts:          s.volumes,
		CapabilityDrop:  []string{"ALL"},
		CapabilityAdd:   slices.Clone(defaultCapabilities),
		OomScoreAdj:     oomScore,
		Ulimits:         []*container.Ulimit{{Name: "nofile", Soft: maxFiles, Hard: maxFiles}, {Name: "core"}},
		Privileges: &swarm.Privileges{
			NoNewPrivileges: true,
			Seccomp:         &swarm.SeccompOpts{Mode: swarm.SeccompModeDefault},
			AppArmor:        &swarm.AppArmorOpts{Mode: swarm.AppArmorModeDefault},
		},
	}
	if s.strict() {
		c.CapabilityAdd, c.ReadOnly = nil, true
		for dir, size := range map[string]int64{"/tmp": 64 * units.MiB, "/run": 16 * units.MiB} {
			c.Mounts = append(c.Mounts, mount.Mount{Type: mount.TypeTmpfs, Target: dir, TmpfsOptions: &mount.TmpfsOptions{SizeBytes: size}})
		}
	}
	return c
}

// taskLabels are those of the containers, which must not be taken for ones that
// an Engine of this instance made.
func (s serviceSpec) taskLabels() map[string]string {
	labels := maps.Clone(s.labels)
	labels[labelKind] = kindReplica
	delete(labels, labelReplicas) // a scale would replace every task
	return labels
}

// verify sees that the swarm keeps to what it was asked for: a manager or an
// older API leaves out what it does not know.
func (s *Swarm) verify(ctx context.Context, m *manager, id string, want serviceSpec) error {
	found, _, err := m.cli.ServiceInspectWithRaw(ctx, id, swarm.ServiceInspectOptions{})
	if err != nil {
		return m.wrapMutation(err, kindContainer, want.Name, "%s could not be created", want.Name)
	}
	got, asked := found.Spec.TaskTemplate, want.task()
	var ignored []string
	for _, field := range []struct {
		name      string
		want, got any
	}{
		{"privileges", asked.ContainerSpec.Privileges, got.ContainerSpec.Privileges},
		{"capabilities", [][]string{asked.ContainerSpec.CapabilityAdd, asked.ContainerSpec.CapabilityDrop}, [][]string{withoutCap(got.ContainerSpec.CapabilityAdd), got.ContainerSpec.CapabilityDrop}},
		{"ulimits", asked.ContainerSpec.Ulimits, got.ContainerSpec.Ulimits},
		{"OOM score", asked.ContainerSpec.OomScoreAdj, got.ContainerSpec.OomScoreAdj},
		{"read-only root", asked.ContainerSpec.ReadOnly, got.ContainerSpec.ReadOnly},
		{"limits", asked.Resources.Limits, got.Resources.Limits},
	} {
		if !equalJSON(field.want, field.got) {
			ignored = append(ignored, field.name)
		}
	}
	if len(ignored) == 0 {
		return nil
	}
	return unsafe(kindContainer, want.Name, ignored)
}

func withoutCap(names []string) []string {
	short := make([]string, 0, len(names))
	for _, name := range names {
		short = append(short, strings.TrimPrefix(name, "CAP_"))
	}
	slices.Sort(short)
	return short
}

// equalJSON compares as the API does: what is empty is left out.
func equalJSON(a, b any) bool { return asJSON(a) == asJSON(b) }

func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
