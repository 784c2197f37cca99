package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	dockervolume "github.com/docker/docker/api/types/volume"
)

// volume is a named volume at a path in a container.
type volume struct{ name, path string }

// parseVolumes reads the volumes parameter of create: NAME:/path each, never a
// path of the host.
func parseVolumes(given []string) ([]volume, error) {
	var volumes []volume
	for _, text := range given {
		name, path, ok := strings.Cut(text, ":")
		if !ok {
			return nil, invalid("volumes", "volume %s is not allowed: give NAME:/path", quote(text))
		}
		if err := checkName("volumes", name); err != nil {
			return nil, err
		}
		if err := checkPath("volumes", path); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(volumes, func(v volume) bool { return v.path == path }) {
			return nil, invalid("volumes", "two volumes are at %s: give each its own path", quote(path))
		}
		volumes = append(volumes, volume{name, path})
	}
	return volumes, nil
}

// makeVolumes makes those of the volumes that do not exist, and gives the mounts
// for all.
func (e *Engine) makeVolumes(ctx context.Context, volumes []volume, undo *undoing) ([]mount.Mount, error) {
	var mounts []mount.Mount
	for _, v := range volumes {
		if err := e.makeVolume(ctx, v.name, undo); err != nil {
			return nil, err
		}
		mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Source: e.engineName(kindVolume, v.name), Target: v.path})
	}
	return mounts, nil
}

func (e *Engine) makeVolume(ctx context.Context, name string, undo *undoing) error {
	options := dockervolume.CreateOptions{Name: e.engineName(kindVolume, name), Driver: "local", Labels: e.labels(kindVolume, name)}
	found, err := e.cli.VolumeInspect(ctx, options.Name)
	if errdefs.IsNotFound(err) {
		undo.add(func(ctx context.Context) error { return e.removeVolume(ctx, name) })
		found, err = e.cli.VolumeCreate(ctx, options)
	}
	if err != nil {
		return e.wrapMutation(err, kindVolume, name, "the volume %s could not be made", name)
	}
	if !e.owns(found.Labels, kindVolume) || len(found.Options) > 0 {
		return conflict(kindVolume, name, found.Name, "the engine has a volume called %s that is not ours: give another name", found.Name)
	}
	return nil
}

// removeVolumes removes those of a removed container's named volumes that no
// other container has.
func (e *Engine) removeVolumes(ctx context.Context, mounts []container.MountPoint) error {
	for _, m := range mounts {
		if name, ours := e.volumeOf(m); ours {
			if err := e.removeVolume(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) removeVolume(ctx context.Context, name string) error {
	err := e.cli.VolumeRemove(ctx, e.engineName(kindVolume, name), false)
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // a conflict: a container has it
		return nil
	}
	return e.wrapMutation(err, kindVolume, name, "the volume %s could not be removed", name)
}

// volumeOf gives the name of our volume that is mounted, as its creator gave it.
func (e *Engine) volumeOf(m container.MountPoint) (name string, ours bool) {
	if m.Type != mount.TypeVolume {
		return "", false
	}
	return strings.CutPrefix(m.Name, e.engineName(kindVolume, ""))
}
