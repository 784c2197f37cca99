package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/builder"
)

// CheckBuild checks parameters as Engine.CheckBuild does.
func (s *Swarm) CheckBuild(p api.BuildParams) (api.BuildParams, error) {
	return s.managers[0].CheckBuild(p)
}

// Build builds an image at a manager, as Engine.Build does, and pushes it to the
// registry, whence the nodes get it.
func (s *Swarm) Build(ctx context.Context, p api.BuildParams, id string, out BuildOutput) (api.Build, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return api.Build{}, err
	}
	began := time.Now()
	built, err := m.Build(ctx, p, id, out)
	if err != nil {
		return built, err
	}
	for _, version := range []string{built.Commit, "latest"} { // latest last: what it names is there
		if err := m.push(ctx, p.Name, m.repository+p.Name+":"+version, out); err != nil {
			return api.Build{}, err
		}
	}
	built.Seconds = time.Since(began).Seconds()
	return built, nil
}

// push pushes a tag to its registry.
func (m *manager) push(ctx context.Context, name, ref string, out BuildOutput) error {
	auth, err := m.authFor(ref)
	if err != nil {
		return err
	}
	out.Line(api.Stdout, "Pushing "+ref)
	progress, err := m.cli.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err == nil {
		err = readProgress(progress)
		progress.Close()
	}
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return &Error{Class: BuildFailed, Reason: fmt.Sprintf("the image %s was built and could not be pushed to %s: %v", name, ref, err), Data: api.ErrorData{Step: "push"}, Err: err}
}

// readProgress reads what the engine says of a push or pull to its end, where
// its error is.
func readProgress(messages io.Reader) error {
	for decoder := json.NewDecoder(messages); ; {
		var m pullMessage
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && m.Error != "" {
			err = errors.New(m.Error)
		}
		if err != nil {
			return err
		}
	}
}

// noAuth is what the API wants where there is no login.
const noAuth = "e30="

// authFor gives the login for the registry of a reference.
func (m *manager) authFor(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	auth, err := builder.RegistryAuth(reference.Domain(named))
	if err != nil {
		return "", fmt.Errorf("the login for %s cannot be read: %w", reference.Domain(named), err)
	}
	if auth == "" {
		auth = noAuth
	}
	return auth, nil
}

// serviceImage is an image as the nodes get it.
type serviceImage struct {
	facts
	ref  string // with the digest, so that every node has the same for good
	auth string // the login for its registry
}

// serviceImage finds the image that create was given. The registry is the truth:
// any manager may have built it.
func (m *manager) serviceImage(ctx context.Context, name string) (found serviceImage, err error) {
	ref, own := ownReference(m.repository, name)
	if own {
		found, err = m.fromRegistry(ctx, ref)
		if err == nil && m.owns(found.labels, kindImage) {
			return found, nil
		}
		if err != nil && classOf(err) != NotFound {
			return found, err
		}
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return found, invalid("image", "image %s is not allowed: give the NAME of an image that was built, or NAME:COMMIT", quote(name))
	}
	if !m.allowsImage(name) {
		return found, notFound(kindImage, name, "there is no image called %s: build it first, or have the daemon run with an --allow-image that admits it", quote(name))
	}
	found, err = m.fromRegistry(ctx, reference.TagNameOnly(named).String())
	found.labels = nil // those of others mean nothing
	return found, err
}

// fromRegistry asks the registry for the digest of a reference, and gets the
// image to this engine to look into it.
func (m *manager) fromRegistry(ctx context.Context, ref string) (found serviceImage, err error) {
	if found.auth, err = m.authFor(ref); err != nil {
		return found, err
	}
	there, err := within(ctx, slowSwarm, func(ctx context.Context) (string, error) {
		d, err := m.cli.DistributionInspect(ctx, ref, found.auth)
		return d.Descriptor.Digest.String(), err
	})
	if err != nil {
		return found, m.pullError(err, ref, "the registry")
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return found, err
	}
	found.ref = reference.TrimNamed(named).String() + "@" + there
	inspected, err := m.inspectImage(ctx, found.ref)
	if errdefs.IsNotFound(err) {
		if err := m.pullInto(ctx, ref, found.auth); err != nil {
			return found, err
		}
		inspected, err = m.inspectImage(ctx, found.ref)
	}
	if err != nil {
		return found, m.wrap(err, kindImage, ref, "the image %s cannot be read", ref)
	}
	found.facts = factsOf(inspected, inspected.Config.Labels)
	return found, nil
}

func (m *manager) pullInto(ctx context.Context, ref, auth string) error {
	_, err := within(ctx, pullTimeout, func(ctx context.Context) (struct{}, error) {
		progress, err := m.cli.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: auth})
		if err != nil {
			return struct{}{}, err
		}
		defer progress.Close()
		return struct{}{}, readProgress(progress)
	})
	return m.pullError(err, ref, "the registry")
}

// Images gives the images that the manager has that were built by this instance.
func (s *Swarm) Images(ctx context.Context) ([]api.Image, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	return m.Images(ctx)
}

// Image gives the image that the service called name was made from.
func (s *Swarm) Image(ctx context.Context, name string) (api.Image, error) {
	r, m, err := s.find(ctx, name)
	if err != nil {
		return api.Image{}, err
	}
	return m.imageFor(ctx, r)
}

// RemoveImage removes the builds of an image that no service uses from the
// manager, as Engine.RemoveImage does, and from the nodes that are reached. The
// registry keeps its own.
func (s *Swarm) RemoveImage(ctx context.Context, name string) (api.Image, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return api.Image{}, err
	}
	last, err := m.RemoveImage(ctx, name)
	if err != nil {
		return last, err
	}
	base, commit, one := strings.Cut(name, ":")
	wanted := m.ours(kindImage, filters.Arg("label", labelName+"="+base))
	if one {
		wanted.Add("label", labelCommit+"="+commit)
	}
	return last, s.eachNode(ctx, m, "an image may be left on a node", func(ctx context.Context, cli *client.Client) error {
		left, err := cli.ImageList(ctx, image.ListOptions{Filters: wanted})
		for _, i := range left {
			_, removed := cli.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
			if !errdefs.IsConflict(removed) && !errdefs.IsNotFound(removed) { // a conflict: a container has it
				err = errors.Join(err, removed)
			}
		}
		return err
	})
}
