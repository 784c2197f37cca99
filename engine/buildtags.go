package engine

import (
	"context"

	"github.com/containerd/errdefs"
)

// checkTag refuses to build over an image that somebody else tagged as we do.
func (b *imageBuild) checkTag(ctx context.Context, version string) error {
	name := b.p.Name
	found, err := b.cli.ImageInspect(ctx, b.tag(version))
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return b.wrap(err, kindImage, name, "the build of %s could not begin", name)
	}
	if found.Config != nil && b.owns(found.Config.Labels, kindImage) {
		return nil
	}
	return conflict(kindImage, name, b.tag(version), "the tag %s belongs to an image that this daemon did not build: choose another name, or remove the tag", b.tag(version))
}
