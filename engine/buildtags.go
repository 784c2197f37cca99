package engine

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"go.uber.org/zap"
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

// removeDangling removes earlier builds of the image that have lost their last
// tag and that no container was made from. What cannot be removed now is tried
// again after the next build.
func (b *imageBuild) removeDangling(ctx context.Context) {
	untagged := b.ours(kindImage, filters.Arg("dangling", "true"), filters.Arg("label", labelName+"="+b.p.Name))
	dangling, err := b.cli.ImageList(ctx, image.ListOptions{Filters: untagged})
	for _, old := range dangling {
		_, err := b.cli.ImageRemove(ctx, old.ID, image.RemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
			b.log.Warn("an old build could not be removed", zap.String("image", old.ID), zap.Error(err))
		}
	}
	if err != nil {
		b.log.Warn("old builds could not be listed", zap.String("name", b.p.Name), zap.Error(err))
	}
}
