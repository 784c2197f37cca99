package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
)

// edition is what an update replaces of a service, as a label of the service
// keeps it for Rollback.
type edition struct {
	Ref    string                  // of the image, by its digest
	Env    []string                // as the swarm has it
	Health *container.HealthConfig // of the image, if it has one
	Labels map[string]string       // those of ours that tell of the image
}

// imageLabels are the labels that tell of a service's image.
var imageLabels = []string{labelImage, labelImageID, labelURL, labelRef, labelCommit, labelBuild, labelBuilt}

func editionOf(spec *swarm.ServiceSpec) edition {
	c := spec.TaskTemplate.ContainerSpec
	g := edition{Ref: c.Image, Env: c.Env, Health: c.Healthcheck, Labels: map[string]string{}}
	for _, key := range imageLabels {
		g.Labels[key] = spec.Labels[key]
	}
	return g
}

// apply puts an edition in place of the one that a service has, which is kept.
func (g edition) apply(spec *swarm.ServiceSpec) {
	kept := asJSON(editionOf(spec))
	c := spec.TaskTemplate.ContainerSpec
	c.Image, c.Env, c.Healthcheck, c.Labels = g.Ref, g.Env, g.Health, maps.Clone(c.Labels)
	maps.Copy(c.Labels, g.Labels)
	maps.Copy(spec.Labels, g.Labels)
	spec.Labels[labelPrevious] = kept
}

// NewestImage gives the image that an update of the service called name takes
// when it is given none: the newest build of its own.
func (s *Swarm) NewestImage(name string) (image string, known bool) {
	r, ok := s.state.get(name)
	if !ok {
		return "", false
	}
	return newestImage(r), true
}

// Update replaces the replicas of the service called name, one after another, by
// ones of the image that p gives, else of the newest build of its own, with the
// environment that p gives, else its own. If a new one does not come to serve,
// the service goes back to how it was, and the error is StartFailed. tell is told
// how it goes before Update returns.
func (s *Swarm) Update(ctx context.Context, name string, p api.UpdateParams, tell func(string)) (api.Container, error) {
	if err := checkEnvironment(api.CreateParams{Environment: p.Environment}); err != nil {
		return api.Container{}, err
	}
	return s.changeService(ctx, name, func(ctx context.Context, m *manager, r *record) error {
		image := cmp.Or(p.Image, newestImage(r))
		found, err := m.serviceImage(ctx, image)
		if err != nil {
			return err
		}
		return s.exchange(ctx, m, r, tell, func(now *swarm.ServiceSpec) (edition, error) {
			asked := spec{CreateParams: api.CreateParams{Image: image, Profile: now.Labels[labelProfile]}, image: found.facts}
			return s.nextEdition(now, r, image, found, p.Environment), checkServiceUser(asked)
		})
	})
}

// nextEdition is that of an image and, unless it is nil, an environment.
func (s *Swarm) nextEdition(now *swarm.ServiceSpec, r *record, image string, found serviceImage, environment map[string]string) edition {
	g := edition{Ref: found.ref, Env: now.TaskTemplate.ContainerSpec.Env, Health: slowHealthcheck(found.healthcheck), Labels: map[string]string{labelImage: image, labelImageID: found.id}}
	for _, key := range imageLabels[2:] {
		g.Labels[key] = found.labels[key]
	}
	if environment != nil {
		g.Env = literals(spec{CreateParams: api.CreateParams{Environment: environment}, domain: r.Domain, url: r.URL, port: r.Port}.environment())
	}
	return g
}

// Rollback goes back to what the last update of name replaced, in the way of an
// update; another goes forward again.
func (s *Swarm) Rollback(ctx context.Context, name string, tell func(string)) (api.Container, error) {
	return s.changeService(ctx, name, func(ctx context.Context, m *manager, r *record) error {
		return s.exchange(ctx, m, r, tell, func(spec *swarm.ServiceSpec) (g edition, err error) {
			kept := spec.Labels[labelPrevious]
			if kept == "" {
				return g, notFound(kindPrevious, name, "%s has nothing to go back to: it was not updated", name)
			}
			return g, json.Unmarshal([]byte(kept), &g)
		})
	})
}

// exchange gives a service another edition. One that is stopped is started, if
// there is one to give.
func (s *Swarm) exchange(ctx context.Context, m *manager, r *record, tell func(string), next func(*swarm.ServiceSpec) (edition, error)) error {
	if r.Replicas == 0 {
		found, _, err := m.cli.ServiceInspectWithRaw(ctx, r.ID, swarm.ServiceInspectOptions{})
		if err != nil {
			return m.wrap(err, kindContainer, r.Name, "it is not known how %s is", r.Name)
		}
		if _, err := next(&found.Spec); err != nil {
			return err
		}
		tell("Starting " + r.Name)
		if err := s.startService(ctx, m, r); err != nil {
			return err
		}
	}
	return s.roll(ctx, m, r, tell, func(spec *swarm.ServiceSpec) error {
		g, err := next(spec)
		if err == nil {
			tell("Replacing " + strconv.FormatUint(*spec.Mode.Replicated.Replicas, 10) + " replicas, one after another, by ones of the image " + g.Labels[labelImage])
			g.apply(spec)
		}
		return err
	})
}
