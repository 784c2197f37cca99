package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
)

// How long the swarm has for a change: pulling an image, and placing, starting
// and stopping replicas.
const (
	swarmChange = 15 * time.Minute
	placeTime   = 10 * time.Second // until a replica that no node takes is a failure
)

// Create makes a service as p describes, for the token called owner, and starts
// its replicas unless p says not to. It answers once all of them run, or are
// only waiting for their health check to pass. A create that fails undoes what
// it did.
func (s *Swarm) Create(ctx context.Context, p api.CreateParams, owner string) (api.Container, error) {
	p, err := checkCreate(p, s.cfg.Base)
	if err != nil {
		return api.Container{}, err
	}
	volumes, err := parseVolumes(p.Volumes)
	if err == nil {
		err = s.checkService(p)
	}
	if err != nil {
		return api.Container{}, err
	}
	var c api.Container
	err = s.change(ctx, p.Name, swarmChange, func(ctx context.Context, m *manager) error {
		c, err = s.create(ctx, m, p, volumes, owner)
		return err
	})
	return c, err
}

// mostServiceCPUs is more than any node has: a larger number is no question of
// nodes.
const mostServiceCPUs = 1 << 20

// checkService refuses what a service cannot do.
func (s *Swarm) checkService(p api.CreateParams) error {
	strict := p.Profile == profileStrict
	switch {
	case strict && (p.Port == nil || *p.Port != 0):
		return invalid("profile", "the strict profile has no way out, and on a swarm none in either: give port 0, or the default profile")
	case strict && s.cfg.StrictRuntime != "":
		return invalid("profile", "the strict profile is set to the runtime %s, and a service has no say in that: run the daemon without --strict-runtime, or give the default profile", s.cfg.StrictRuntime)
	case p.Memory < leastMemory:
		return invalid("memory", "memory %d is not allowed: give bytes from %d", p.Memory, leastMemory)
	case !(p.CPUs >= leastCPUs && p.CPUs <= mostServiceCPUs):
		return invalid("cpus", "cpus %v is not allowed: give cores from %v to %d", p.CPUs, leastCPUs, mostServiceCPUs)
	case p.Pids < leastPids || p.Pids > mostPids:
		return invalid("pids", "pids %d is not allowed: give %d to %d", p.Pids, leastPids, mostPids)
	}
	return nil
}

// checkServiceUser refuses an image that the strict profile cannot run without
// root. What a user's name means is not known before a node has a container.
func checkServiceUser(s spec) error {
	uid, numeric := s.image.uid()
	switch {
	case !s.strict() || numeric && uid != 0:
		return nil
	case numeric:
		return rootRefused(s)
	}
	return invalid("profile", "the image %s runs as %s, and on a swarm the strict profile takes only a user that is a number: give its Dockerfile such a USER", quote(s.Image), quote(s.image.user))
}

func (s *Swarm) create(ctx context.Context, m *manager, p api.CreateParams, volumes []volume, owner string) (c api.Container, err error) {
	image, err := m.serviceImage(ctx, p.Image)
	if err != nil {
		return c, err
	}
	spec := s.serviceSpec(m, p, volumes, image, owner)
	if err := checkServiceUser(spec.spec); err != nil {
		return c, err
	}
	release, err := s.reserve(ctx, m, spec)
	if err != nil {
		return c, err
	}
	defer release()
	var undo undoing
	defer func() {
		if err != nil {
			undo.run(ctx, s.log)
		}
	}()
	if err := s.makeOverlay(ctx, m, spec.CreateParams, &undo); err != nil {
		return c, err
	}
	made, err := m.cli.ServiceCreate(ctx, spec.service(), swarm.ServiceCreateOptions{EncodedRegistryAuth: image.auth})
	if err != nil {
		return c, m.wrapMutation(err, kindContainer, p.Name, "%s could not be created", p.Name)
	}
	undo.add(func(ctx context.Context) error { return s.removeService(ctx, m, made.ID, p.Name) })
	if err := s.verify(ctx, m, made.ID, spec); err != nil {
		return c, err
	}
	if err := s.await(ctx, m, made.ID, p.Name, started(nil)); err != nil {
		return c, s.withLines(ctx, m, &record{Container: api.Container{Name: p.Name, ID: made.ID}}, err, anyTask)
	}
	return s.admit(ctx, m, made.ID, p.Name)
}

// reserve takes the service's name and hosts, until release.
func (s *Swarm) reserve(ctx context.Context, m *manager, spec serviceSpec) (release func(), err error) {
	release, host, holder := s.hosts.take(spec.Name, spec.owner(), m.hostOf(spec.Name), spec.domain)
	if release == nil {
		return nil, domainTaken(host, holder)
	}
	if err = nameFreeOnSwarm(ctx, m, spec.Name); err == nil {
		err = domainFree(s.state, spec.Name, spec.owner(), spec.domain)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func nameFreeOnSwarm(ctx context.Context, m *manager, name string) error {
	found, _, err := m.cli.ServiceInspectWithRaw(ctx, name, swarm.ServiceInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return m.wrap(err, kindContainer, name, "it is not known whether the name %s is free", name)
	case found.Spec.Name != name: // the name is the beginning of its id
		return nil
	case m.owns(found.Spec.Labels, kindContainer):
		return conflict(kindContainer, name, name, "there is a container called %s: remove it first, or choose another name", name)
	}
	return conflict(kindContainer, name, found.ID, "the swarm has a service called %s that is not ours, %s: choose another name", name, found.ID)
}

// started waits for all replicas to run, or to wait for their health check.
// Tasks that there were before are looked at only if they run.
func started(before []task) func(*record) error {
	since, old := time.Now(), map[string]bool{}
	for _, t := range before {
		old[t.ID] = true
	}
	return func(r *record) error {
		on := map[int]bool{} // by replica: one can have several tasks that ended
		for _, t := range r.service.tasks {
			switch {
			case old[t.ID] && t.ended():
			case t.runs(), t.wanted() && t.State == taskStarting && r.service.checked:
				on[t.Replica] = true
			case neverRan(&t):
				return startFailed(r.Name, t.Error)
			case t.ended():
				on[t.Replica] = true // its process has run, and ended: that is a state, as on one engine
			case t.State == string(swarm.TaskStatePending) && t.Error != "" && time.Since(since) > placeTime:
				return startFailed(r.Name, "no node takes it: "+t.Error)
			}
		}
		if len(on) < r.Replicas {
			return errNotYet
		}
		return nil
	}
}

// neverRan says that a task ended before its process did anything.
func neverRan(t *task) bool {
	return t.State == taskRejected || t.State == taskFailed && !strings.Contains(t.Error, "non-zero exit") && !strings.Contains(t.Error, "unhealthy")
}

func startFailed(name, why string) *Error {
	err := fmt.Errorf("%s", why)
	if found := execFailure.FindStringSubmatch(why); found != nil {
		why = found[1] + ": check command, or the image's ENTRYPOINT and CMD"
	}
	return &Error{Class: StartFailed, Reason: fmt.Sprintf("%s could not be started: %s", name, why), Data: api.ErrorData{Kind: kindContainer, Name: name}, Err: err}
}

// makeOverlay makes the network of the service, or joins the one that several
// share.
func (s *Swarm) makeOverlay(ctx context.Context, m *manager, p api.CreateParams, undo *undoing) error {
	kind, of := overlayOf(p.Name, p.Network)
	name, internal := m.overlayName(kind, of), p.Profile == profileStrict
	undo.add(func(ctx context.Context) error { return s.releaseOverlay(ctx, m, p.Name, p.Network) })
	found, err := m.cli.NetworkInspect(ctx, name, network.InspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		ipv6 := false
		_, err = m.cli.NetworkCreate(ctx, name, network.CreateOptions{Driver: "overlay", Scope: "swarm", Internal: internal, EnableIPv6: &ipv6, Labels: m.labels(kind, of)})
		return m.wrapMutation(err, kindNetwork, of, "the network of %s could not be made", p.Name)
	case err != nil:
		return m.wrapMutation(err, kindNetwork, of, "the network of %s could not be made", p.Name)
	case !m.owns(found.Labels, kind):
		return conflict(kindNetwork, of, found.Name, "the swarm has a network called %s that is not ours: rename or remove it", found.Name)
	case found.Internal != internal:
		return conflict(kindNetwork, of, "", "the network %s is used by containers of another profile: give another network, or the same profile", of)
	}
	return nil
}

// overlayOf says whose network a service is in.
func overlayOf(name, shared string) (kind, of string) {
	if shared != "" {
		return kindShared, shared
	}
	return kindOverlay, name
}

// overlayName gives the swarm's name for a network of ours. It takes a DNS label
// only; what the network is, its labels say.
func (m *manager) overlayName(kind, of string) string {
	sum := sha256.Sum256([]byte(m.engineName(kind, of)))
	return overlayPrefix + hex.EncodeToString(sum[:16])
}

const overlayPrefix = "dw-"

// releaseOverlay removes the network of a service that is gone, or the shared
// one if this was its last. The swarm lets go of it only with the last replica.
func (s *Swarm) releaseOverlay(ctx context.Context, m *manager, name, shared string) error {
	kind, of := overlayOf(name, shared)
	for {
		err := m.cli.NetworkRemove(ctx, m.overlayName(kind, of))
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if shared != "" && s.sharesNetwork(name, shared) {
			return nil
		}
		pause(ctx, settleEvery)
		if ctx.Err() != nil {
			return m.wrapMutation(err, kindNetwork, of, "the network of %s could not be removed", name)
		}
	}
}

// sharesNetwork says whether another service than the one called name is in the
// shared network.
func (s *Swarm) sharesNetwork(name, shared string) bool {
	for _, r := range s.state.list() {
		if r.network == shared && r.Name != name {
			return true
		}
	}
	return false
}

// serviceLabels gives every label of ours for a service.
func (s *Swarm) serviceLabels(m *manager, spec serviceSpec, owner string) map[string]string {
	labels := m.labels(kindContainer, spec.Name)
	maps.Copy(labels, map[string]string{
		labelImage: spec.Image, labelImageID: spec.image.id, labelDomain: spec.Domain, labelPort: strconv.Itoa(spec.port),
		labelProfile: spec.Profile, labelOwner: owner, labelNetwork: spec.Network, labelReplicas: strconv.Itoa(spec.Replicas),
	})
	for _, key := range []string{labelURL, labelRef, labelCommit, labelBuild, labelBuilt} {
		labels[key] = spec.image.labels[key]
	}
	return labels
}
