package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// diffTimeout is how long the engine may take to compare two file systems.
const diffTimeout = time.Minute

// Diff gives the paths at and below path, all when it is empty, that differ in
// the container called name from its image, sorted.
func (e *Engine) Diff(ctx context.Context, name, path string) ([]api.Change, error) {
	if path != "" && !strings.HasPrefix(path, "/") {
		return nil, invalid("path", "path %s is not allowed: give an absolute path", quote(path))
	}
	r, err := e.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := e.alive(ctx); err != nil {
		return nil, err
	}
	waiting, cancel := e.untilSilent(ctx)
	defer cancel()
	found, err := within(waiting, diffTimeout, func(ctx context.Context) ([]container.FilesystemChange, error) {
		return e.cli.ContainerDiff(ctx, r.ID)
	})
	if err = causeOf(waiting, err); err != nil {
		return nil, e.wrap(err, kindContainer, name, "what changed in %s cannot be read", name)
	}
	return changesBelow(found, strings.TrimRight(path, "/")), nil
}

func changesBelow(found []container.FilesystemChange, dir string) []api.Change {
	changes := []api.Change{}
	for _, c := range found {
		if c.Path == dir || strings.HasPrefix(c.Path, dir+"/") {
			changes = append(changes, api.Change{Path: strings.ToValidUTF8(c.Path, "\ufffd"), Kind: kindOfChange(c.Kind)})
		}
	}
	slices.SortFunc(changes, func(a, b api.Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

func kindOfChange(kind container.ChangeType) string {
	switch kind {
	case container.ChangeAdd:
		return api.ChangeAdded
	case container.ChangeDelete:
		return api.ChangeDeleted
	}
	return api.ChangeModified
}
