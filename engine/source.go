package engine

import (
	"context"
	"path"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
)

// facts are what create has to know of an image.
type facts struct {
	id          string
	user        string
	ports       []int // that it EXPOSEs for TCP
	healthcheck *container.HealthConfig
	labels      map[string]string // none for an image that is not ours
}

// source finds the image that create was given: one that this instance built,
// else one that the configuration allows, which is pulled when it is missing.
func (e *Engine) source(ctx context.Context, name string) (facts, error) {
	if ref, ok := ownReference(e.repository, name); ok {
		found, err := e.inspectImage(ctx, ref)
		if err == nil && e.owns(found.Config.Labels, kindImage) {
			return factsOf(found, found.Config.Labels), nil
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return facts{}, e.wrap(err, kindImage, name, "the image %s cannot be read", quote(name))
		}
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return facts{}, invalid("image", "image %s is not allowed: give the NAME of an image that was built, or NAME:COMMIT", quote(name))
	}
	if !e.allowsImage(name) {
		return facts{}, notFound(kindImage, name, "there is no image called %s: build it first, or have the daemon run with an --allow-image that admits it", quote(name))
	}
	return e.foreignSource(ctx, name, reference.TagNameOnly(named))
}

func (e *Engine) allowsImage(name string) bool {
	for _, pattern := range e.cfg.AllowImages {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// foreignSource takes an image by its full reference, for a short name could
// also be the beginning of some image's id.
func (e *Engine) foreignSource(ctx context.Context, name string, ref reference.Named) (facts, error) {
	found, err := e.inspectImage(ctx, ref.String())
	if errdefs.IsNotFound(err) {
		if err := e.pull(ctx, name, ref); err != nil {
			return facts{}, err
		}
		found, err = e.inspectImage(ctx, ref.String())
	}
	if err != nil {
		return facts{}, e.wrap(err, kindImage, name, "the image %s cannot be read", quote(name))
	}
	return factsOf(found, nil), nil
}

func (e *Engine) inspectImage(ctx context.Context, ref string) (image.InspectResponse, error) {
	return ask(ctx, func(ctx context.Context) (image.InspectResponse, error) {
		return e.cli.ImageInspect(ctx, ref)
	})
}

// sourceOf finds the image that a container was made from, whatever has its name by
// now.
func (e *Engine) sourceOf(ctx context.Context, r *record) (facts, error) {
	found, err := e.inspectImage(ctx, r.imageID)
	if err != nil {
		return facts{}, e.wrap(err, kindImage, r.Image, "the image of %s cannot be read", r.Name)
	}
	if !e.owns(found.Config.Labels, kindImage) {
		return factsOf(found, nil), nil
	}
	return factsOf(found, found.Config.Labels), nil
}

func factsOf(found image.InspectResponse, labels map[string]string) facts {
	f := facts{id: found.ID, user: found.Config.User, healthcheck: found.Config.Healthcheck, labels: labels}
	for exposed := range found.Config.ExposedPorts {
		number, protocol, _ := strings.Cut(exposed, "/")
		if port, err := strconv.Atoi(number); err == nil && (protocol == "tcp" || protocol == "") {
			f.ports = append(f.ports, port)
		}
	}
	return f
}
