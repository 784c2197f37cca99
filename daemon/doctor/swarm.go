package doctor

import (
	"context"
	"strings"
	"time"

	"github.com/dockwire/dockwire/engine"
)

// swarm looks for the managers of a swarm and asks one about it. It gives the
// directory where that keeps its data; "" when that is not known, or on another
// host.
func (f *findings) swarm(ctx context.Context, s Subject) (root string) {
	on, err := engine.NewSwarm(s.Engine)
	if err != nil {
		f.fail("swarm", "correct the flag or its variable", "%s", err)
		return ""
	}
	defer on.Close()
	found, err := on.Survey(ctx)
	f.managers(found.Managers)
	switch {
	case err != nil:
		f.fail("swarm", "see what the manager's log says: journalctl -u docker", "%s", err)
	case len(found.Nodes) > 0:
		f.quorum(found.Nodes)
		f.nodes(found.Nodes)
		f.nodeAPI(found.Nodes)
		f.clocks(found.Nodes)
		f.heartbeat(found.Heartbeat)
		f.registry(s.Engine.Swarm.Registry, found.Registry)
	}
	return found.Root
}

// managers says which of the engines that were named can be used. One is enough.
func (f *findings) managers(all []engine.ManagerSurvey) {
	usable := false
	for _, m := range all {
		usable = usable || m.Err == nil
	}
	for _, m := range all {
		check := "manager " + m.Host
		switch {
		case m.Err == nil:
			f.ok(check, "Docker %s: API %s", m.Version, m.API)
		case usable:
			f.warn(check, "mend it, or leave it out of --docker-host and --manager", "%s", m.Err)
		default:
			f.fail(check, "give --docker-host and --manager the addresses of managers", "%s", m.Err)
		}
	}
}

// quorum says whether the managers can lose one.
func (f *findings) quorum(nodes []engine.NodeSurvey) {
	managers, reached := 0, 0
	for _, n := range nodes {
		if n.Manager {
			managers++
		}
		if n.Reachable {
			reached++
		}
	}
	const fix = "have three or five managers that run: docker node promote NODE"
	if needed := managers/2 + 1; reached <= needed {
		f.warn("quorum", fix, "%d of %d managers are there, and %d are needed: if one more goes, the swarm replaces nothing and nothing can be changed", reached, managers, needed)
		return
	}
	f.ok("quorum", "%d of %d managers are there", reached, managers)
}

// nodes says which take no replicas.
func (f *findings) nodes(nodes []engine.NodeSurvey) {
	ready := 0
	for _, n := range nodes {
		switch {
		case n.State != "ready":
			f.warn("node "+n.Name, "start its engine, or docker node rm --force "+n.ID, "it is %s", n.State)
		case n.Availability != "active":
			f.warn("node "+n.Name, "docker node update --availability active "+n.ID, "it is ready, and takes no replicas: its availability is %s", n.Availability)
		default:
			ready++
		}
	}
	f.ok("nodes", "%d of %d are ready for replicas", ready, len(nodes))
}

// nodeAPI says which nodes cannot be asked about their replicas.
func (f *findings) nodeAPI(nodes []engine.NodeSurvey) {
	asked := 0
	for _, n := range nodes {
		if n.API != nil {
			f.warn("node API "+n.Name, "give --node-api, --node-ca, --node-cert and --node-key as docs/scale.md says",
				"top and diff do not tell of its replicas, and what a remove leaves there is not waited for: %s", n.API)
		} else if n.State == "ready" {
			asked++
		}
	}
	f.ok("node API", "%d of %d nodes tell of their replicas", asked, len(nodes))
}

// apart is how far a clock may be from ours: those of two nodes are not further
// apart than log lines are asked for again, then.
const apart = 5 * time.Second

// clocks says which nodes have another time than this host.
func (f *findings) clocks(nodes []engine.NodeSurvey) {
	for _, n := range nodes {
		if n.Ahead.Abs() > apart {
			f.warn("clock "+n.Name, "have all nodes keep their time: timedatectl set-ntp true", "it is %v away from this host's: lines of logs may be lost", n.Ahead.Abs().Round(time.Second))
		}
	}
}

// A node is down when three heartbeats are missing, each up to half a second
// late; list is to say so within so long.
const (
	heartbeatsMissed = 3
	heartbeatLate    = 500 * time.Millisecond
	toldWithin       = 15 * time.Second
)

func (f *findings) heartbeat(every time.Duration) {
	noticed := heartbeatsMissed * (every + heartbeatLate)
	if noticed > toldWithin {
		f.warn("heartbeat", "docker swarm update --dispatcher-heartbeat 4s",
			"a node tells every %v that it is there: one that dies is noticed after up to %v, and is to be after %v", every, noticed, toldWithin)
		return
	}
	f.ok("heartbeat", "a node that dies is noticed after up to %v", noticed)
}

func (f *findings) registry(name string, err error) {
	switch {
	case err == nil:
		f.ok("registry", "the manager reaches %s", name)
	case strings.Contains(err.Error(), "unauthorized") || strings.Contains(err.Error(), "denied"):
		f.fail("registry", "docker login "+name+", as the daemon's user", "%s refuses the manager: %s", name, err)
	default:
		f.fail("registry", "see whether it runs, and whether the nodes trust its certificate or list it in insecure-registries", "the manager does not reach %s: %s", name, err)
	}
}
