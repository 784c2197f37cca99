package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/engine"
)

// What a caller whose token is not for every name may touch, and is told.

// lead gives the name by which tokens are judged that want to touch a container: its
// own, or of a sibling that of the container whose sibling it is. So a family is for
// those who may touch what it is a family of, whatever else their patterns match.
func (d *Daemon) lead(name string) string {
	c, _ := d.engine.Container(name)
	return cmp.Or(c.ReplicaOf, name)
}

// sees gives what says of the names of containers whether the caller may know of
// them.
func (d *Daemon) sees(caller access.Caller) func(name string) bool {
	return func(name string) bool { return caller.Sees(d.lead(name)) }
}

// cover refuses a call about a thing that its caller's token is not for. It
// looks at names alone: whether there is such a thing is not told.
func (d *Daemon) cover(c *call, claims ...claim) error {
	for _, claim := range claims {
		name := claim.name
		if claim.kind == kindContainer {
			name = d.lead(name)
		}
		if !c.caller.Sees(name) {
			return c.forbidden(fmt.Sprintf("the token %s is not for the %s %q, only for what is named %s: dockwire token create --names makes one that is",
				c.caller.ID, claim.kind, clip(claim.name), strings.Join(c.caller.Names, " or ")))
		}
	}
	return nil
}

// coverLive refuses to remove a container as cover does, once it is known whose
// sibling it is.
func (d *Daemon) coverLive(ctx context.Context, c *call, p *api.RemoveParams) error {
	if c.caller.Names.All() {
		return nil
	}
	if !d.engine.Up() {
		if _, err := d.engine.Containers(ctx); err != nil {
			return err
		}
	}
	return d.cover(c, containerClaim(p.Name))
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
		if err := d.cover(c, claim{kind: "volume", name: mount.Volume}); err != nil {
			return err
		}
	}
	return nil
}

func seenContainers(caller access.Caller, all []api.Container) []api.Container {
	return seen(caller, all, func(one api.Container) string { return cmp.Or(one.ReplicaOf, one.Name) })
}

func (d *Daemon) seenImages(caller access.Caller, all []api.Image) []api.Image {
	all = seen(caller, all, func(one api.Image) string { return imageName(one.Name) })
	for i := range all {
		all[i] = d.seenImage(caller, all[i])
	}
	return all
}

// seenImage leaves the containers out that the caller may not know of.
func (d *Daemon) seenImage(caller access.Caller, one api.Image) api.Image {
	one.Containers = seen(caller, one.Containers, d.lead)
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
