package engine

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
)

// Start starts the service called name, with so many replicas as it had, and one
// whose replicas have ended for good anew. One that is to run is left as it is.
func (s *Swarm) Start(ctx context.Context, name string) (api.Container, error) {
	return s.changeService(ctx, name, func(ctx context.Context, m *manager, r *record) error {
		return s.startService(ctx, m, r)
	})
}

func (s *Swarm) startService(ctx context.Context, m *manager, r *record) error {
	switch {
	case r.Replicas == 0:
		return s.scale(ctx, m, r, max(1, r.service.remembered))
	case !r.over():
		return nil
	}
	err := s.updateService(ctx, m, r, func(spec *swarm.ServiceSpec) error {
		spec.TaskTemplate.ForceUpdate++
		return nil
	})
	if err != nil {
		return err
	}
	return s.withLines(ctx, m, r, s.await(ctx, m, r.ID, r.Name, started(r.service.tasks)), anyTask)
}

// Stop stops all replicas of the service called name. How long they have to end
// is what create said: the swarm takes no other word, and timeout is not looked
// at.
func (s *Swarm) Stop(ctx context.Context, name string, timeout *float64) (api.Container, error) {
	if _, err := graceOf(timeout); err != nil {
		return api.Container{}, err
	}
	return s.changeService(ctx, name, func(ctx context.Context, m *manager, r *record) error {
		return s.scale(ctx, m, r, 0)
	})
}

// Scale changes how many replicas of the service called name are to run; with 0
// it is stopped.
func (s *Swarm) Scale(ctx context.Context, name string, replicas int) (api.Container, error) {
	if err := checkReplicas(api.CreateParams{Replicas: replicas}); err != nil {
		return api.Container{}, err
	}
	return s.changeService(ctx, name, func(ctx context.Context, m *manager, r *record) error {
		return s.scale(ctx, m, r, replicas)
	})
}

// Restart replaces the replicas of the service called name, one after another,
// by new ones of the same image. One that is stopped is started.
func (s *Swarm) Restart(ctx context.Context, name string, timeout *float64) (api.Container, error) {
	if _, err := graceOf(timeout); err != nil {
		return api.Container{}, err
	}
	return s.changeService(ctx, name, func(ctx context.Context, m *manager, r *record) error {
		if r.Replicas == 0 {
			return s.startService(ctx, m, r)
		}
		return s.roll(ctx, m, r, func(string) {}, func(*swarm.ServiceSpec) error { return nil })
	})
}

// Remove removes the service called name, and returns when its replicas and its
// network are gone, but for those on nodes that are down. With volumes its named
// volumes go too, from the nodes whose API is reached.
func (s *Swarm) Remove(ctx context.Context, name string, volumes bool) (api.Container, error) {
	var last api.Container
	err := s.change(ctx, name, swarmChange, func(ctx context.Context, m *manager) error {
		r, _, err := s.find(ctx, name)
		if err != nil {
			return err
		}
		last = r.Container
		last.State, last.Serving = api.StateRemoved, 0
		var mounts []string
		if volumes {
			if mounts, err = s.volumesOf(ctx, m, r); err != nil {
				return err
			}
		}
		defer s.drain(ctx, r)()
		if err := s.removeService(ctx, m, r.ID, name); err != nil {
			return err
		}
		if err := s.releaseOverlay(ctx, m, name, r.network); err != nil {
			return err
		}
		return s.removeVolumesFrom(ctx, m, mounts)
	})
	if err != nil {
		return api.Container{}, err
	}
	return last, nil
}

// removeService removes a service, waits for its tasks to be gone, but for those
// on nodes that are down, and forgets it.
func (s *Swarm) removeService(ctx context.Context, m *manager, id, name string) error {
	err := m.cli.ServiceRemove(ctx, id)
	if err != nil && !errdefs.IsNotFound(err) {
		return m.wrapMutation(err, kindContainer, name, "%s could not be removed", name)
	}
	for {
		left := 0
		nodes, err := s.readNodes(ctx, m)
		if err == nil {
			err = list(ctx, m, "/tasks", filters.NewArgs(filters.Arg("name", name)), func(d taskData) {
				node := nodes[d.NodeID]
				if d.ServiceID == id && (node == nil || !node.down()) {
					left++
				}
			})
		}
		if err != nil {
			return m.wrapMutation(err, kindContainer, name, "it is not known whether all of %s is gone", name)
		}
		if left == 0 {
			return cmp.Or(s.awaitContainers(ctx, m, name), s.forgetRemoved(ctx, name, id))
		}
		pause(ctx, settleEvery)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// forgetRemoved forgets a service that is gone, once nobody looks who began before:
// that would put it into the state again.
func (s *Swarm) forgetRemoved(ctx context.Context, name, id string) error {
	unlock, err := s.looking.lock(ctx, "")
	if err != nil {
		return err
	}
	defer unlock()
	s.forget(&record{Container: api.Container{Name: name, ID: id}})
	return nil
}

// changeService does what do says to a service, and answers how it is then.
func (s *Swarm) changeService(ctx context.Context, name string, do func(context.Context, *manager, *record) error) (c api.Container, err error) {
	err = s.change(ctx, name, swarmChange, func(ctx context.Context, m *manager) error {
		r, _, err := s.find(ctx, name)
		if err != nil {
			return err
		}
		defer s.holdLog(ctx, r)() // lines go with their replicas
		failed := do(ctx, m, r)
		c, err = s.admit(ctx, m, r.ID, name)
		if failed != nil {
			return failed
		}
		return err
	})
	return c, err
}

// scale changes how many replicas there are, and waits for that to be so.
func (s *Swarm) scale(ctx context.Context, m *manager, r *record, replicas int) error {
	if replicas == 0 {
		defer s.drain(ctx, r)()
	}
	err := s.updateService(ctx, m, r, func(spec *swarm.ServiceSpec) error {
		setReplicas(spec, replicas)
		return nil
	})
	if err != nil {
		return err
	}
	on := started(r.service.tasks)
	err = s.await(ctx, m, r.ID, r.Name, func(now *record) error {
		if now.leaving() || now.wanted() > replicas {
			return errNotYet
		}
		return on(now)
	})
	return s.withLines(ctx, m, r, err, anyTask)
}

// setReplicas says how many there are to be. One that is stopped stays stopped
// since when it was, and one that never ran stays that.
func setReplicas(spec *swarm.ServiceSpec, replicas int) {
	n, before := uint64(replicas), spec.Mode.Replicated.Replicas
	spec.Mode.Replicated.Replicas = &n
	switch {
	case replicas > 0:
		spec.Labels[labelReplicas] = strconv.Itoa(replicas)
		delete(spec.Labels, labelStopped)
	case before == nil || *before > 0:
		spec.Labels[labelStopped] = time.Now().UTC().Format(time.RFC3339Nano)
	}
}

// updateService changes what the swarm is to keep. Others may have changed it
// since we looked. When the managers lose their leader it may have been changed,
// and is not changed twice.
func (s *Swarm) updateService(ctx context.Context, m *manager, r *record, change func(*swarm.ServiceSpec) error) error {
	var asked *swarm.ServiceSpec // for what may have been done
	for began := time.Now(); ; pause(ctx, settleEvery) {
		found, _, err := m.cli.ServiceInspectWithRaw(ctx, r.ID, swarm.ServiceInspectOptions{})
		if err == nil && asked != nil && changedTo(&found.Spec, asked) {
			return nil
		}
		if err == nil {
			if err := change(&found.Spec); err != nil {
				return err
			}
			asked = &found.Spec
			_, err = m.cli.ServiceUpdate(ctx, r.ID, found.Version, found.Spec, swarm.ServiceUpdateOptions{RegistryAuthFrom: swarm.RegistryAuthFromSpec})
		}
		again := outOfSequence(err) || m.hasNoLeader(err) && time.Since(began) < leaderTime
		if err == nil || !again || ctx.Err() != nil {
			return m.wrapMutation(err, kindContainer, r.Name, "%s could not be changed", r.Name)
		}
	}
}

// changedTo says whether a service is as an update has asked for, as far as our
// updates change it.
func changedTo(now, asked *swarm.ServiceSpec) bool {
	changes := func(spec *swarm.ServiceSpec) string {
		return asJSON([]any{spec.Labels, spec.Mode, spec.UpdateConfig, spec.TaskTemplate.ForceUpdate, spec.TaskTemplate.ContainerSpec.Image})
	}
	return changes(now) == changes(asked)
}

// drain takes all replicas of a service out of the Router's pool, and waits for
// what they are about to answer.
func (s *Swarm) drain(ctx context.Context, r *record) (release func()) {
	if s.cfg.Router == nil {
		return func() {}
	}
	ids := []string{}
	for _, route := range s.routesOf(r) {
		ids = append(ids, route.ID)
	}
	releases := make([]func(), len(ids))
	var draining sync.WaitGroup
	for i, id := range ids {
		draining.Go(func() { releases[i] = s.cfg.Router.Drain(ctx, id) })
	}
	draining.Wait()
	return func() {
		for _, release := range releases {
			release()
		}
	}
}

// volumesOf gives the engine's names of the named volumes of a service.
func (s *Swarm) volumesOf(ctx context.Context, m *manager, r *record) (names []string, err error) {
	found, _, err := m.cli.ServiceInspectWithRaw(ctx, r.ID, swarm.ServiceInspectOptions{})
	if err != nil {
		return nil, m.wrapMutation(err, kindContainer, r.Name, "%s could not be removed", r.Name)
	}
	for _, mount := range found.Spec.TaskTemplate.ContainerSpec.Mounts {
		if mount.VolumeOptions != nil && m.owns(mount.VolumeOptions.Labels, kindVolume) {
			names = append(names, mount.Source)
		}
	}
	return names, nil
}

// removeVolumesFrom removes volumes from all nodes. One that another container
// has stays.
func (s *Swarm) removeVolumesFrom(ctx context.Context, m *manager, volumes []string) error {
	if len(volumes) == 0 {
		return nil
	}
	return s.eachNode(ctx, m, "a volume may be left on a node", func(ctx context.Context, cli *client.Client) error {
		var errs []error
		for _, volume := range volumes {
			if err := cli.VolumeRemove(ctx, volume, false); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
}

// awaitContainers waits for the containers of a service that is gone to be gone
// too: a node removes them a moment after it has said that they ended.
func (s *Swarm) awaitContainers(ctx context.Context, m *manager, name string) error {
	wanted := m.ours(kindReplica, filters.Arg("label", labelName+"="+name))
	return s.eachNode(ctx, m, "a container may be left on a node", func(ctx context.Context, cli *client.Client) error {
		for {
			left, err := ask(ctx, func(ctx context.Context) ([]container.Summary, error) {
				return cli.ContainerList(ctx, container.ListOptions{All: true, Filters: wanted})
			})
			if err != nil || len(left) == 0 {
				return err
			}
			pause(ctx, settleEvery)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	})
}
