package engine

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// isOurs says whether a container is of this instance, and is called as we
// called it. One that is half-made has another name, and one that someone
// renamed is not ours any more.
func (e *Engine) isOurs(c container.InspectResponse) bool {
	return e.owns(c.Config.Labels, kindContainer) && strings.TrimPrefix(c.Name, "/") == c.Config.Labels[labelName]
}

// recordOf reads what there is to know of a container of ours from the engine's
// answer.
func (e *Engine) recordOf(c container.InspectResponse) *record {
	labels := c.Config.Labels
	name := labels[labelName]
	port, _ := strconv.Atoi(labels[labelPort])
	r := &record{
		host:     e.hostOf(name),
		owner:    labels[labelOwner],
		imageID:  c.Image,
		network:  labels[labelNetwork],
		halfMade: neverStarted(c.State.Status, labels),
		Container: api.Container{
			Name:      name,
			ID:        c.ID,
			Image:     labels[labelImage],
			State:     stateOf(c.State.Status),
			Health:    healthOf(c.State),
			ExitCode:  c.State.ExitCode,
			Restarts:  c.RestartCount,
			OOMKilled: c.State.OOMKilled,
			Created:   timeOf(c.Created),
			Started:   timeOf(c.State.StartedAt),
			Finished:  timeOf(c.State.FinishedAt),
			Domain:    e.domainOf(name, labels[labelDomain]),
			Port:      port,
			Commit:    labels[labelCommit],
		},
	}
	if port != 0 {
		r.URL = e.urlOf(r.Domain)
	}
	if r.Running() {
		r.addr = e.reachOf(c, port)
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

// timeOf reads one of the engine's times; what never happened is the year 1.
func timeOf(s string) api.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return api.Time{}
	}
	return api.Time{Time: t.UTC()}
}

// addressOf gives the address of the one network that a container of ours is in.
func addressOf(c container.InspectResponse) netip.Addr {
	if c.NetworkSettings != nil {
		for _, endpoint := range c.NetworkSettings.Networks {
			if addr, err := netip.ParseAddr(endpoint.IPAddress); err == nil {
				return addr
			}
		}
	}
	return netip.Addr{}
}
