package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/dockwire/dockwire/client/api"
)

// Create makes the container that p describes, for the token called owner, and
// starts it unless p says not to; with replicas, its siblings too, all of them or
// none. What cannot be is refused, and its hosts are reserved, before the engine is
// asked for anything; a create that fails undoes what it did. Until it answers,
// nobody else sees the container.
func (e *Engine) Create(ctx context.Context, p api.CreateParams, owner string) (api.Container, error) {
	release := func() {}
	defer func() { release() }()
	s, volumes, err := e.specFrom(ctx, p, owner, func(ctx context.Context) (image facts, err error) {
		if release, err = e.takeHosts(p.Name, owner, e.domainOf(p.Name, p.Domain)); err != nil {
			return facts{}, err
		}
		return e.source(ctx, p.Image) // which may take long to be pulled
	})
	if err != nil {
		return api.Container{}, err
	}
	var c api.Container
	err = e.change(ctx, p.Name, createTime*time.Duration(s.Replicas-1), func(ctx context.Context) (err error) {
		c, err = e.create(ctx, s, volumes)
		return err
	})
	return c, err
}

// specOf checks the parameters against what there is, and says how the
// container will be made.
func (e *Engine) specOf(ctx context.Context, p api.CreateParams, owner string) (spec, []volume, error) {
	return e.specFrom(ctx, p, owner, func(ctx context.Context) (facts, error) { return e.source(ctx, p.Image) })
}

// specFrom is specOf for an image that is found otherwise than by its name.
func (e *Engine) specFrom(ctx context.Context, p api.CreateParams, owner string, find func(context.Context) (facts, error)) (spec, []volume, error) {
	asked := p
	p, err := checkCreate(p, e.cfg.Base)
	if err != nil {
		return spec{}, nil, err
	}
	if err := checkReplicasHere(p.Replicas); err != nil {
		return spec{}, nil, err
	}
	volumes, err := parseVolumes(p.Volumes)
	if err != nil {
		return spec{}, nil, err
	}
	if err := e.ready(ctx); err != nil {
		return spec{}, nil, err
	}
	if err := checkLimits(p, e.info.Load()); err != nil {
		return spec{}, nil, err
	}
	image, err := find(ctx)
	if err != nil {
		return spec{}, nil, err
	}
	s := spec{
		CreateParams: p, asked: asked, image: image, port: portOf(p.Port, image.ports), domain: e.domainOf(p.Name, p.Domain),
		reach: chooseReach(e.cfg.Reach, e.info.Load()), edition: rand.Text(),
	}
	if s.port != 0 {
		s.url = e.urlOf(s.domain)
	}
	s.labels = e.containerLabels(s, owner)
	if s.strict() {
		s.runtime = e.cfg.StrictRuntime
		err = cmp.Or(e.checkRuntime(), checkPublished(s), checkStrict(s, volumes))
	}
	return s, volumes, err
}

func (e *Engine) checkRuntime() error {
	if !e.missesRuntime(e.info.Load()) {
		return nil
	}
	return invalid("profile", "the strict profile is set to the runtime %s, which this engine does not have: register it with the engine", e.cfg.StrictRuntime)
}

// containerLabels gives every label of ours, for what is not set here would be
// taken from the image.
func (e *Engine) containerLabels(s spec, owner string) map[string]string {
	labels := e.labels(kindContainer, s.Name)
	maps.Copy(labels, map[string]string{
		labelImage:   s.Image,
		labelDomain:  s.Domain,
		labelPort:    strconv.Itoa(s.port),
		labelProfile: s.Profile,
		labelStart:   strconv.FormatBool(*s.Start),
		labelOwner:   owner,
		labelNetwork: s.Network,
		labelCreate:  askedLabel(s.asked),
		labelSibling: s.of,
		labelEdition: s.edition,
	})
	for _, key := range []string{labelURL, labelRef, labelCommit, labelBuild, labelBuilt, labelRecipe, labelBases} {
		labels[key] = s.image.labels[key]
	}
	return labels
}

// create makes a container and its siblings. What there was of its name before is
// no part of them. The container comes last: before it is whole its siblings are
// nobody's, and removed at the next connect if that is never.
func (e *Engine) create(ctx context.Context, s spec, volumes []volume) (c api.Container, err error) {
	if err := e.settle(ctx, s.Name, e.tellLog(s.Name)); err != nil {
		return c, err
	}
	release, err := e.reserve(ctx, s)
	if err != nil {
		return c, err
	}
	defer release()
	if err := e.removeLeftSiblings(ctx, s.Name); err != nil {
		return c, err
	}
	siblings, release, err := e.reserveSiblings(ctx, s, s.Replicas-1)
	if err != nil {
		return c, err
	}
	defer release()
	if err := e.makeAll(ctx, append(siblings, s), volumes); err != nil {
		return c, aboutFamily(err, s.Name, "%s was not created", s.Name)
	}
	return e.afterChange(s.Name)
}

// makeWhole is the recipe. The container gets its name once it is known to be safe:
// by that, and by having been started, it is told from what a create left that
// was cut off.
func (e *Engine) makeWhole(ctx context.Context, s spec, volumes []volume, undo *undoing) (id string, err error) {
	if id, err = e.makeContainer(ctx, s, volumes, undo); err != nil {
		return "", err
	}
	if err := e.checkUser(ctx, id, s); err != nil {
		return "", err
	}
	if err := e.giveName(ctx, id, s.Name); err != nil {
		return "", err
	}
	if *s.Start {
		return id, e.start(ctx, id, s.Name)
	}
	return id, nil
}

// makeContainer makes the volumes, the network and the container, and sees that
// the engine kept to what it was asked.
func (e *Engine) makeContainer(ctx context.Context, s spec, volumes []volume, undo *undoing) (id string, err error) {
	if s.mounts, err = e.makeVolumes(ctx, volumes, undo); err != nil {
		return "", err
	}
	leave, err := e.enterNetwork(ctx, &s, undo)
	if err != nil {
		return "", err
	}
	defer leave()
	var making errgroup.Group // what does not run yet need not be covered yet
	making.Go(func() error { return e.checkCovered(ctx, s) })
	making.Go(func() error {
		id, err = e.makeOnly(ctx, s, undo)
		return err
	})
	err = making.Wait() // not in the return: what it sets would be read at no certain time
	return id, err
}

// makeOnly makes the container, once there is all that it needs.
func (e *Engine) makeOnly(ctx context.Context, s spec, undo *undoing) (id string, err error) {
	host := s.hostConfig()
	made, err := e.cli.ContainerCreate(ctx, s.config(), host, s.networking(), nil, e.engineName(kindContainer, s.Name))
	if err != nil && len(s.mounts) > 0 && strings.Contains(err.Error(), "is not directory") {
		return "", invalid("volumes", "%s could not be created, because the image has a file where a volume is to be: give the volume the path of a directory, or of nothing", s.Name)
	}
	if err != nil {
		return "", e.wrapMutation(err, kindContainer, s.Name, "%s could not be created", s.Name)
	}
	undo.add(func(ctx context.Context) error { return e.removeContainer(ctx, made.ID, s.Name) })
	return made.ID, e.verify(ctx, made, s, host)
}

// giveName gives a container the name that was asked for.
func (e *Engine) giveName(ctx context.Context, id, name string) error {
	err := e.cli.ContainerRename(ctx, id, name)
	if errdefs.IsConflict(err) {
		err = cmp.Or(e.nameFree(ctx, name), err)
	}
	return e.wrapMutation(err, kindContainer, name, "%s could not be given its name", name)
}

// enterNetwork makes or joins the container's network, and chooses its address
// there. Before leave, others neither remove a shared network nor choose in it.
func (e *Engine) enterNetwork(ctx context.Context, s *spec, undo *undoing) (leave func(), err error) {
	b := bridge{kind: kindNetwork, name: s.Name, internal: s.strict(), joined: s.replaces}
	leave = func() {}
	if s.Network != "" {
		b.kind, b.name = kindShared, s.Network
		if leave, err = e.mutating.lock(ctx, kindShared+" "+s.Network); err != nil {
			return nil, err
		}
	}
	if !s.replaces {
		undo.add(func(ctx context.Context) error { return e.releaseNetwork(ctx, s.Name, s.Network) })
	}
	if s.network, err = e.makeNetwork(ctx, b); err == nil {
		s.address, err = e.chooseAddress(ctx, b)
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// reserve takes the container's name and hosts, until release. By then they are
// in the state.
func (e *Engine) reserve(ctx context.Context, s spec) (release func(), err error) {
	release, err = e.takeHosts(s.Name, s.owner(), s.domain)
	if err != nil {
		return nil, err
	}
	if err := e.nameFree(ctx, s.Name); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// takeHosts takes the hosts of a container, until release. If they are another
// owner's there is nothing to release.
func (e *Engine) takeHosts(name, owner, domain string) (release func(), err error) {
	release, host, holder := e.hosts.take(name, owner, e.hostOf(name), domain)
	if release == nil {
		return func() {}, domainTaken(host, holder)
	}
	if err := domainFree(e.state, name, owner, domain); err != nil {
		release()
		return func() {}, err
	}
	return release, nil
}

// nameFree refuses a name that a container has, ours or not.
func (e *Engine) nameFree(ctx context.Context, name string) error {
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) {
		return e.cli.ContainerInspect(ctx, name)
	})
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return e.wrap(err, kindContainer, name, "it is not known whether the name %s is free", name)
	case strings.TrimPrefix(c.Name, "/") != name: // the name is the beginning of its id
		return nil
	case e.isOurs(c):
		return conflict(kindContainer, name, name, "there is a container called %s: remove it first, or choose another name", name)
	}
	holder := c.ID[:12] + " (" + c.Config.Image + ")"
	return conflict(kindContainer, name, holder, "the engine has a container called %s that is not ours, %s: choose another name", name, holder)
}

// domainFree refuses a domain that containers of another owner have.
func domainFree(known *state, name, owner, domain string) error {
	for _, r := range known.at(domain) {
		if r.Name != name && r.owner != owner {
			return domainTaken(domain, r.Name)
		}
	}
	return nil
}

func domainTaken(host, holder string) error {
	return conflict(kindDomain, host, holder, "the domain %s belongs to the container %s, which was created with another token: choose another domain, or remove it", host, holder)
}

// How long a create that failed has for undoing what it did: so long, and for each
// step, of which many replicas have many, so much more.
const (
	undoTimeout = 30 * time.Second
	undoStep    = 2 * time.Second
)

// undoing is what to do, last first, when a create fails.
type undoing []func(context.Context) error

func (u *undoing) add(step func(context.Context) error) { *u = append(*u, step) }

func (u *undoing) run(ctx context.Context, log *zap.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout+time.Duration(len(*u))*undoStep)
	defer cancel()
	for i := len(*u) - 1; i >= 0; i-- {
		if err := (*u)[i](ctx); err != nil {
			log.Warn("a create that failed could not undo all that it did", zap.Error(err))
		}
	}
}
