package engine

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// verify sees that the engine keeps to what it was asked for. An inspect only
// echoes that, so what the engine says of itself and its warnings count too.
func (e *Engine) verify(ctx context.Context, made container.CreateResponse, s spec, want *container.HostConfig) error {
	name := s.Name
	c, err := e.cli.ContainerInspect(ctx, made.ID)
	if err != nil {
		return e.wrapMutation(err, kindContainer, name, "%s could not be created", name)
	}
	info := e.info.Load()
	if want.Runtime == "" && c.HostConfig.Runtime == info.DefaultRuntime {
		c.HostConfig.Runtime = ""
	}
	ignored := append(notApplied(info), differences(want, c.HostConfig)...)
	if !s.placed(c) {
		ignored = append(ignored, "network address")
	}
	for _, warning := range made.Warnings {
		if discards(warning) {
			ignored = append(ignored, warning)
		}
		e.log.Warn("the engine warned at a create", zap.String("name", name), zap.String("warning", warning))
	}
	if c.AppArmorProfile == "unconfined" {
		ignored = append(ignored, "AppArmor")
	}
	if len(ignored) == 0 {
		return nil
	}
	return unsafe(kindContainer, name, ignored)
}

// placed says whether a container is in its network at its address, and in no
// other network.
func (s spec) placed(c container.InspectResponse) bool {
	if c.NetworkSettings == nil || len(c.NetworkSettings.Networks) != 1 {
		return false
	}
	return slices.Contains(addressesOf(c.NetworkSettings.Networks[s.network]), s.address)
}

func unsafe(kind, name string, ignored []string) error {
	return &Error{
		Class:  StartFailed,
		Reason: fmt.Sprintf("%s was not created, because this engine does not keep what makes it safe: %s", name, strings.Join(ignored, "; ")),
		Data:   api.ErrorData{Kind: kind, Name: name},
	}
}

// verifyNetwork sees that a network is as networkOptions asks, whenever it was
// made.
func (e *Engine) verifyNetwork(b bridge, found network.Inspect) error {
	want := e.networkOptions(b, netip.Prefix{})
	var ignored []string
	for _, field := range []struct {
		name string
		kept bool
	}{
		{"network driver", found.Driver == want.Driver},
		{"internal network", found.Internal == want.Internal},
		{"no IPv6", !found.EnableIPv6},
		{"bridge name", found.Options[optionBridge] == want.Options[optionBridge]},
		{"inter-container communication", found.Options[optionICC] == want.Options[optionICC]},
		{"subnet", len(found.IPAM.Config) == 1 && ofPool(found.IPAM.Config[0].Subnet)},
	} {
		if !field.kept {
			ignored = append(ignored, field.name)
		}
	}
	if len(ignored) == 0 {
		return nil
	}
	return unsafe(kindNetwork, b.name, ignored)
}

func ofPool(subnet string) bool {
	prefix, err := netip.ParsePrefix(subnet)
	return err == nil && subnetPool.Contains(prefix.Addr())
}

// discards says whether a warning of the engine's is about a value that it does
// not keep.
func discards(warning string) bool {
	return strings.Contains(warning, "iscarded") || strings.Contains(warning, "not support") || strings.Contains(warning, "without swap")
}

// differences names the fields that decide what a container may do and are not
// as they were asked for.
func differences(want, got *container.HostConfig) []string {
	var different []string
	wanted, found := securityOf(want), securityOf(got)
	for i, field := range wanted {
		if !same(field.value, found[i].value) {
			different = append(different, field.name)
		}
	}
	if len(got.MaskedPaths) == 0 || len(got.ReadonlyPaths) == 0 {
		different = append(different, "masked paths")
	}
	return different
}

type field struct {
	name  string
	value any
}

func securityOf(h *container.HostConfig) []field {
	return []field{
		{"capabilities dropped", h.CapDrop},
		{"capabilities added", slices.Sorted(slices.Values(h.CapAdd))},
		{"security options", h.SecurityOpt},
		{"privileged", h.Privileged},
		{"IPC namespace", h.IpcMode},
		{"cgroup namespace", h.CgroupnsMode},
		{"PID namespace", h.PidMode},
		{"UTS namespace", h.UTSMode},
		{"user namespace", h.UsernsMode},
		{"network", h.NetworkMode},
		{"published ports", h.PortBindings},
		{"publish all ports", h.PublishAllPorts},
		{"extra hosts", h.ExtraHosts},
		{"groups", h.GroupAdd},
		{"sysctls", h.Sysctls},
		{"devices", h.Devices},
		{"device cgroup rules", h.DeviceCgroupRules},
		{"device requests", h.DeviceRequests},
		{"binds", h.Binds},
		{"volumes of others", h.VolumesFrom},
		{"volumes", h.Mounts},
		{"memory", h.Memory},
		{"memory and swap", h.MemorySwap},
		{"CPU", h.NanoCPUs},
		{"pids", valueOf(h.PidsLimit)},
		{"ulimits", ulimitsOf(h)},
		{"shared memory", h.ShmSize},
		{"OOM score", h.OomScoreAdj},
		{"OOM killer off", valueOf(h.OomKillDisable)},
		{"cgroup parent", h.CgroupParent},
		{"links", h.Links},
		{"runtime", h.Runtime},
		{"read-only root", h.ReadonlyRootfs},
		{"tmpfs", h.Tmpfs},
		{"log", h.LogConfig},
		{"restart policy", h.RestartPolicy},
		{"init", valueOf(h.Init)},
	}
}

// same takes a value that is absent for one that is empty.
func same(a, b any) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	switch va.Kind() {
	case reflect.Slice, reflect.Map:
		if va.Len() == 0 && vb.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a, b)
}

func valueOf[T any](p *T) T {
	var value T
	if p != nil {
		value = *p
	}
	return value
}

func ulimitsOf(h *container.HostConfig) map[string]container.Ulimit {
	limits := map[string]container.Ulimit{}
	for _, limit := range h.Ulimits {
		limits[limit.Name] = *limit
	}
	return limits
}
