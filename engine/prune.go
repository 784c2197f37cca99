package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"go.uber.org/zap"
)

// keepBuilds is how many builds of an image are kept where the configuration
// does not say.
const keepBuilds = 5

// prune makes room after a build of the image called name. Of its builds the
// newest are kept, and those that a container was made from; the others go, and
// so do those that lost their last tag. What cannot be removed now is tried again
// after the next build.
func (e *Engine) prune(ctx context.Context, name string) {
	builds, err := e.listImages(ctx, filters.Arg("label", labelName+"="+name))
	if err != nil {
		e.log.Warn("old builds could not be listed", zap.String("name", name), zap.Error(err))
		return
	}
	for _, old := range e.superfluous(builds) {
		e.removeBuild(ctx, old)
	}
	e.pruneCache(ctx)
}

// superfluous gives the builds of one image that need not be kept.
func (e *Engine) superfluous(builds []image.Summary) (old []image.Summary) {
	slices.SortFunc(builds, newestFirst)
	users := e.imageUsers()
	left := cmp.Or(e.cfg.KeepBuilds, keepBuilds)
	for _, b := range builds {
		tagged := len(e.namesOf(b.RepoTags)) > 0
		if len(users[b.ID]) > 0 || tagged && left > 0 {
			if tagged {
				left--
			}
			continue
		}
		old = append(old, b)
	}
	return old
}

// removeBuild takes our tags from an image, which removes it unless somebody
// else tagged it too.
func (e *Engine) removeBuild(ctx context.Context, b image.Summary) {
	references := slices.DeleteFunc(slices.Clone(b.RepoTags), func(tag string) bool { return tag == "<none>:<none>" })
	if len(references) == 0 {
		references = []string{b.ID}
	}
	for _, reference := range references {
		if reference != b.ID && !strings.HasPrefix(reference, e.repository) {
			continue
		}
		_, err := e.cli.ImageRemove(ctx, reference, image.RemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
			e.log.Warn("an old build could not be removed", zap.String("image", reference), zap.Error(err))
		}
	}
}

// pruneCache bounds the engine's build cache, if that is wanted: nothing in it
// says whose it is.
func (e *Engine) pruneCache(ctx context.Context) {
	keep := e.cfg.KeepCache
	if keep == 0 {
		return
	}
	pruned, err := e.cli.BuildCachePrune(ctx, build.CachePruneOptions{All: true, KeepStorage: keep, ReservedSpace: keep, MaxUsedSpace: keep})
	if err != nil {
		e.log.Warn("the build cache could not be pruned", zap.Error(err))
		return
	}
	e.log.Debug("the build cache was pruned", zap.Uint64("bytes", pruned.SpaceReclaimed))
}

// builtAt gives when an image was built. The engine's own time is that of the
// newest layer, which may have come from its cache.
func builtAt(i image.Summary) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, i.Labels[labelBuilt]); err == nil {
		return at.UTC()
	}
	return time.Unix(i.Created, 0).UTC()
}

func newestFirst(a, b image.Summary) int { return builtAt(b).Compare(builtAt(a)) }
