package engine

import (
	"cmp"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
)

// isOurs says whether a container is of this instance, and has the name that its
// creator gave it. One that someone renamed is not ours any more.
func (e *Engine) isOurs(c container.InspectResponse) bool {
	role, _, ok := e.inspectedRole(c)
	return ok && role == current
}

// inspectedRole says what a container of this instance is to its name.
func (e *Engine) inspectedRole(c container.InspectResponse) (r role, until int64, ok bool) {
	if !e.owns(c.Config.Labels, kindContainer) {
		return "", 0, false
	}
	return e.roleOf(c.Name, c.Config.Labels[labelName])
}

// listedRole is inspectedRole for what the engine lists of our labels. A
// container can have several titles; one is ours.
func (e *Engine) listedRole(c container.Summary) (r role, until int64, ok bool) {
	for _, title := range c.Names {
		if r, until, ok = e.roleOf(title, c.Labels[labelName]); ok {
			break
		}
	}
	return r, until, ok
}

// recordOf reads what there is to know of a container of ours from the engine's
// answer.
func (e *Engine) recordOf(c container.InspectResponse) *record {
	r := e.labelledRecord(c.Config.Labels, c.State.Status)
	r.ID, r.imageID = c.ID, c.Image
	r.Health = healthOf(c.State)
	r.ExitCode, r.OOMKilled, r.Restarts = c.State.ExitCode, c.State.OOMKilled, c.RestartCount
	r.Created, r.Started, r.Finished = timeOf(c.Created), timeOf(c.State.StartedAt), timeOf(c.State.FinishedAt)
	if r.Running() {
		r.addr = e.reachOf(c, r.Port)
	}
	r.cores = coresOf(c)
	r.details = e.detailsOf(c)
	return r
}

// sketchOf reads what the engine's list tells of a container of ours. It lacks
// the exact times, the exit code, the restarts and whether memory ran out. A
// published port is no way to it yet: it is another at each start, and which
// start this is the list does not tell.
func (e *Engine) sketchOf(c container.Summary) *record {
	r := e.labelledRecord(c.Labels, c.State)
	r.ID, r.imageID = c.ID, c.ImageID
	r.Health = healthIn(c.Status)
	if r.Running() && !e.publishes() {
		r.addr = e.listedAt(c, r.Port)
	}
	return r
}

// labelledRecord gives what a container's labels and its status tell.
func (e *Engine) labelledRecord(labels map[string]string, status string) *record {
	name, of := labels[labelName], siblingOf(labels)
	lead := cmp.Or(of, name)
	port, _ := strconv.Atoi(labels[labelPort])
	r := &record{
		host:     e.hostOf(lead),
		owner:    labels[labelOwner],
		network:  labels[labelNetwork],
		edition:  labels[labelEdition],
		around:   new(surroundings),
		halfMade: neverStarted(status, labels),
		Container: api.Container{
			Name:      name,
			Image:     labels[labelImage],
			State:     stateOf(status),
			Domain:    e.domainOf(lead, labels[labelDomain]),
			Port:      port,
			Commit:    labels[labelCommit],
			ReplicaOf: of,
		},
	}
	if port != 0 {
		r.URL = e.urlOf(r.Domain)
	}
	return r
}

// hostOf gives the host that a container has by its name.
func (e *Engine) hostOf(name string) string { return name + "." + e.cfg.Base }

// domainOf gives the domain of a container that was given a custom one, or none.
// A custom domain that has come under the base since, because that was changed,
// does not count: it is the host of the container that is called so.
func (e *Engine) domainOf(name, custom string) string {
	if custom == "" || under(custom, e.cfg.Base) {
		return e.hostOf(name)
	}
	return custom
}

// urlOf gives the URL of a host at the ingress.
func (e *Engine) urlOf(host string) string {
	ingress, err := url.Parse(e.cfg.Ingress)
	if err != nil || ingress.Scheme == "" {
		return "http://" + host + "/"
	}
	if port := ingress.Port(); port != "" {
		host += ":" + port
	}
	return ingress.Scheme + "://" + host + "/"
}

func stateOf(status string) string {
	if status == container.StateRemoving {
		return api.StateDead
	}
	return status
}

func healthOf(state *container.State) string {
	if state.Health == nil {
		return api.HealthNone
	}
	return state.Health.Status
}

// healthIn reads the health of a container that runs out of what the list says
// of it, such as "Up 5 minutes (healthy)".
func healthIn(status string) string {
	switch {
	case strings.HasSuffix(status, "(health: starting)"):
		return api.HealthStarting
	case strings.HasSuffix(status, "(healthy)"):
		return api.HealthHealthy
	case strings.HasSuffix(status, "(unhealthy)"):
		return api.HealthUnhealthy
	}
	return api.HealthNone
}

// timeOf reads one of the engine's times; what never happened is the year 1.
func timeOf(s string) api.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return api.Time{}
	}
	return api.Time{Time: t.UTC()}
}

// addressAmong gives the address in the one network that a container of ours is in.
func addressAmong(networks map[string]*network.EndpointSettings) netip.Addr {
	for _, endpoint := range networks {
		if addr, err := netip.ParseAddr(endpoint.IPAddress); err == nil {
			return addr
		}
	}
	return netip.Addr{}
}
