package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// has sees that there is one finding of that state that says so, among those of
// the check.
func (f findings) has(t *testing.T, what, check, state, says string) {
	t.Helper()
	for _, one := range f {
		if one.Check == check && one.State == state && strings.Contains(one.Detail, says) && (state == OK) == (one.Fix == "") {
			return
		}
	}
	t.Errorf("%s: there is no %s: %s %q in %+v", what, state, check, says, f)
}

func TestWhatIsWrongWithASwarmIsTold(t *testing.T) {
	node := func(name, state, availability string, manager, reachable bool) engine.NodeSurvey {
		return engine.NodeSurvey{Node: api.Node{Name: name, ID: name, State: state, Availability: availability, Manager: manager}, Reachable: reachable}
	}
	first, second, third := node("a", "ready", "active", true, true), node("b", "ready", "active", true, true), node("c", "ready", "active", true, true)
	dead, drained, silent := node("d", "down", "active", true, false), node("e", "ready", "drain", false, false), node("f", "ready", "active", false, false)
	silent.API = errors.New("nothing listens there")
	late := third
	late.Ahead = -20 * time.Second
	for _, c := range []struct {
		what, check, state, says string
		look                     func(*findings)
	}{
		{"three managers", "quorum", OK, "3 of 3", func(f *findings) { f.quorum([]engine.NodeSurvey{first, second, third, silent}) }},
		{"one manager", "quorum", Warn, "1 of 1", func(f *findings) { f.quorum([]engine.NodeSurvey{first, silent}) }},
		{"two of three managers", "quorum", Warn, "2 of 3 managers are there, and 2 are needed", func(f *findings) { f.quorum([]engine.NodeSurvey{first, second, dead}) }},
		{"a dead node", "node d", Warn, "it is down", func(f *findings) { f.nodes([]engine.NodeSurvey{first, dead}) }},
		{"a drained node", "node e", Warn, "takes no replicas", func(f *findings) { f.nodes([]engine.NodeSurvey{first, drained}) }},
		{"both", "nodes", OK, "1 of 3", func(f *findings) { f.nodes([]engine.NodeSurvey{first, dead, drained}) }},
		{"a node without an API", "node API f", Warn, "nothing listens there", func(f *findings) { f.nodeAPI([]engine.NodeSurvey{first, silent}) }},
		{"a clock that is wrong", "clock c", Warn, "20s away", func(f *findings) { f.clocks([]engine.NodeSurvey{first, late}) }},
		{"the default heartbeat", "heartbeat", Warn, "16.5s", func(f *findings) { f.heartbeat(5 * time.Second) }},
		{"a quicker heartbeat", "heartbeat", OK, "13.5s", func(f *findings) { f.heartbeat(4 * time.Second) }},
		{"a registry", "registry", OK, "reaches r:5000", func(f *findings) { f.registry("r:5000", nil) }},
		{"a registry that is away", "registry", Fail, "refused", func(f *findings) { f.registry("r:5000", errors.New("connection refused")) }},
		{"a registry without a login", "registry", Fail, "refuses the manager", func(f *findings) { f.registry("r:5000", errors.New("unauthorized: log in")) }},
	} {
		var f findings
		c.look(&f)
		f.has(t, c.what, c.check, c.state, c.says)
	}
}

func TestAManagerThatCannotBeUsedIsTold(t *testing.T) {
	old := enginetest.NewManager(t, "doctor", "1.41", 0, 0, "127.0.0.1:1")
	subject := Subject{Engine: engine.Config{Host: old.Socket, Instance: "doctor", Swarm: engine.SwarmConfig{Registry: "registry.example.com:5000"}}, Swarm: true}
	var f findings
	f.swarm(t.Context(), subject)
	f.has(t, "an old engine", "manager "+old.Socket, Fail, "a swarm needs 1.44")

	worker := enginetest.NewManager(t, "doctor", "1.51", 0, 0, "127.0.0.1:1")
	worker.Worker.Store(true)
	subject.Engine.Swarm.Managers = []string{worker.Socket, "unix:///nosuch.sock"}
	f = nil
	f.swarm(t.Context(), subject)
	f.has(t, "a worker", "manager "+worker.Socket, Fail, "is a worker of its swarm")
	f.has(t, "no engine", "manager unix:///nosuch.sock", Fail, "there is no engine at")

	subject.Engine.Swarm.Registry = ""
	f = nil
	f.swarm(t.Context(), subject)
	f.has(t, "no registry", "swarm", Fail, "give --registry")
}
