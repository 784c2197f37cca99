package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/engine"
)

// What a caller whose token is not for every name may touch, and is told.

// cover refuses a call about a thing that its caller's token is not for. It
// looks at names alone: whether there is such a thing is not told.
func (c *call) cover(claims ...claim) error {
	for _, claim := range claims {
		if !c.caller.Sees(claim.name) {
			return c.forbidden(fmt.Sprintf("the token %s is not for the %s %q, only for what is named %s: dockwire token create --names makes one that is",
				c.caller.ID, claim.kind, clip(claim.name), strings.Join(c.caller.Names, " or ")))
		}
	}
	return nil
}

// coverVolumes refuses to remove a container together with volumes that the
// caller's token is not for.
func (d *Daemon) coverVolumes(ctx context.Context, c *call, p *api.RemoveParams) error {
	if !p.Volumes || c.caller.Names.All() {
		return nil
	}
	doc, err := d.engine.Inspect(ctx, p.Name, false)
	if err != nil {
		return err
	}
	for _, mount := range doc.Mounts {
		if err := c.cover(claim{kind: "volume", name: mount.Volume}); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) seenContainers(all []api.Container) []api.Container {
	return seen(c.caller, all, func(one api.Container) string { return one.Name })
}

func (c *call) seenImages(all []api.Image) []api.Image {
	all = seen(c.caller, all, func(one api.Image) string { return imageName(one.Name) })
	for i := range all {
		all[i] = c.seenImage(all[i])
	}
	return all
}

// seenImage leaves the containers out that the caller may not know of.
func (c *call) seenImage(one api.Image) api.Image {
	one.Containers = seen(c.caller, one.Containers, func(name string) string { return name })
	return one
}

// seen gives those of all that a caller may know of, by their names.
func seen[T any](caller access.Caller, all []T, nameOf func(T) string) []T {
	if caller.Names.All() {
		return all
	}
	some := []T{}
	for _, one := range all {
		if caller.Sees(nameOf(one)) {
			some = append(some, one)
		}
	}
	return some
}

// conceal tells a caller that something is taken, but not by whom if it may not
// know of that one.
func (c *call) conceal(err error) error {
	var known *engine.Error
	if c.caller.Names.All() || !errors.As(err, &known) || known.Data.Holder == "" {
		return err
	}
	data, by := api.ErrorData{Kind: known.Data.Kind, Name: known.Data.Name}, ""
	if c.caller.Sees(known.Data.Holder) {
		data.Holder, by = known.Data.Holder, " by "+known.Data.Holder
	}
	return api.NewError(api.CodeConflict, fmt.Sprintf("the %s %s is taken or in use%s: choose another, or ask an admin", data.Kind, data.Name, by), data)
}
