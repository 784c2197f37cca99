package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/dockwire/dockwire/client/api"
)

// Images gives the images that this instance built, by name: NAME is the latest
// build of it, NAME:COMMIT one that is not the latest any more.
func (e *Engine) Images(ctx context.Context) ([]api.Image, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	found, err := e.listImages(ctx)
	if err != nil {
		return nil, err
	}
	users := e.imageUsers()
	images := []api.Image{}
	for _, summary := range found {
		for _, name := range e.namesOf(summary.RepoTags) {
			images = append(images, imageOf(name, summary, users[summary.ID]))
		}
	}
	slices.SortFunc(images, func(a, b api.Image) int { return strings.Compare(a.Name, b.Name) })
	return images, nil
}

// Image gives the image that the container called name was made from.
func (e *Engine) Image(ctx context.Context, name string) (api.Image, error) {
	r, err := e.find(ctx, name)
	if err != nil {
		return api.Image{}, err
	}
	return e.imageFor(ctx, r)
}

// imageFor asks for the image of a container, unless that is known.
func (e *Engine) imageFor(ctx context.Context, r *record) (api.Image, error) {
	summary := r.around.image.Load()
	if summary == nil {
		found, err := ask(ctx, func(ctx context.Context) (image.InspectResponse, error) {
			return e.cli.ImageInspect(ctx, r.imageID)
		})
		if err != nil {
			return api.Image{}, e.wrap(err, kindImage, r.Image, "the image of %s cannot be read", r.Name)
		}
		summary = e.summaryOf(found)
		r.around.image.Store(summary)
	}
	return imageOf(r.Image, *summary, e.imageUsers()[summary.ID]), nil
}

func (e *Engine) summaryOf(found image.InspectResponse) *image.Summary {
	labels := map[string]string{}
	if e.owns(found.Config.Labels, kindImage) {
		labels = found.Config.Labels
	}
	return &image.Summary{ID: found.ID, Size: found.Size, Created: timeOf(found.Created).Unix(), Labels: labels}
}

// RemoveImage removes the builds of an image that no container uses: all of
// NAME, or the one that NAME:COMMIT is. It answers the latest of them.
func (e *Engine) RemoveImage(ctx context.Context, name string) (api.Image, error) {
	if _, ok := ownReference(e.repository, name); !ok {
		return api.Image{}, invalid("name", "name %s is not allowed: give the NAME of an image, or NAME:COMMIT", quote(name))
	}
	base, _, _ := strings.Cut(name, ":")
	var last api.Image
	err := e.changeThing(ctx, kindImage, base, 0, func(ctx context.Context) error {
		builds, err := e.buildsOf(ctx, name)
		if err != nil {
			return err
		}
		last = imageOf(name, builds[0], nil)
		return e.removeBuilds(ctx, name, builds)
	})
	if err != nil {
		return api.Image{}, err
	}
	return last, nil
}

// buildsOf gives the builds that NAME or NAME:COMMIT means, the latest first, with
// all the tags that they have of NAME: the latest one has two.
func (e *Engine) buildsOf(ctx context.Context, name string) ([]image.Summary, error) {
	base, _, one := strings.Cut(name, ":")
	builds, err := e.listImages(ctx, filters.Arg("reference", e.repository+base+":*"))
	if one {
		builds = slices.DeleteFunc(builds, func(i image.Summary) bool { return !slices.Contains(i.RepoTags, e.repository+name) })
	}
	if err == nil && len(builds) == 0 {
		err = notFound(kindImage, name, "there is no image called %s: images shows those that there are", quote(name))
	}
	slices.SortStableFunc(builds, func(a, b image.Summary) int {
		return cmp.Or(cmp.Compare(latest(b), latest(a)), newestFirst(a, b))
	})
	return builds, err
}

func latest(summary image.Summary) int {
	if slices.ContainsFunc(summary.RepoTags, func(tag string) bool { return strings.HasSuffix(tag, ":latest") }) {
		return 1
	}
	return 0
}

func (e *Engine) removeBuilds(ctx context.Context, name string, builds []image.Summary) error {
	users := e.imageUsers()
	for _, build := range builds {
		if holders := users[build.ID]; len(holders) > 0 {
			return conflict(kindImage, name, holders[0], "the image %s is used by %s: remove it first", quote(name), strings.Join(holders, ", "))
		}
	}
	for _, build := range builds {
		for _, tag := range build.RepoTags {
			_, err := e.cli.ImageRemove(ctx, tag, image.RemoveOptions{PruneChildren: true})
			if errdefs.IsConflict(err) {
				return conflict(kindImage, name, "", "the image %s could not be removed: something at the engine that is not ours uses it", quote(name))
			}
			if err != nil {
				return e.wrapMutation(err, kindImage, name, "the image %s could not be removed", quote(name))
			}
		}
	}
	return nil
}

func (e *Engine) listImages(ctx context.Context, more ...filters.KeyValuePair) ([]image.Summary, error) {
	found, err := ask(ctx, func(ctx context.Context) ([]image.Summary, error) {
		return e.cli.ImageList(ctx, image.ListOptions{Filters: e.ours(kindImage, more...)})
	})
	return found, e.wrap(err, kindImage, "", "the images cannot be listed")
}

// imageUsers gives the names of the containers that use an image, or would after
// a rollback, by its id.
func (e *Engine) imageUsers() map[string][]string {
	users := map[string][]string{}
	for _, r := range append(e.state.all(), e.elsewhere()...) {
		if names := users[r.imageID]; len(names) == 0 || names[len(names)-1] != r.Name {
			users[r.imageID] = append(names, r.Name)
		}
	}
	return users
}

// namesOf gives the names that an image with these tags goes by. The latest
// build of an image is not listed under its commit too.
func (e *Engine) namesOf(tags []string) []string {
	isLatest := map[string]bool{}
	var names []string
	for _, tag := range tags {
		if name, ok := imageOfTag(e.repository, tag); ok {
			names = append(names, name)
			isLatest[name] = !strings.Contains(name, ":")
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		base, _, build := strings.Cut(name, ":")
		return build && isLatest[base]
	})
}

func imageOf(name string, summary image.Summary, containers []string) api.Image {
	return api.Image{
		Name:       name,
		ID:         summary.ID,
		Size:       summary.Size,
		Created:    api.Time{Time: builtAt(summary)},
		URL:        summary.Labels[labelURL],
		Ref:        summary.Labels[labelRef],
		Commit:     summary.Labels[labelCommit],
		Containers: orEmpty(containers),
	}
}
