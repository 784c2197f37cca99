package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// A swarm of three real engines takes a few seconds to make, so that one is
// shared. What takes longer has the build tag swarm.
func TestOnASwarm(t *testing.T) {
	s := enginetest.NewSwarm(t, 1)
	t.Run("the main job is done", func(t *testing.T) { mainJob(t, startOnSwarm(t, s)) })
	t.Run("replicas are on all nodes and each is looked into", func(t *testing.T) { replicasAreLookedInto(t, s) })
	t.Run("a replica is held as a container is", func(t *testing.T) { replicaIsHeld(t, s) })
	t.Run("those of a network reach each other and have volumes", func(t *testing.T) { networksAndVolumes(t, s) })
	t.Run("a log outlives its replicas", func(t *testing.T) { logsOutliveReplicas(t, s) })
	t.Run("a single replica is restarted and updated", func(t *testing.T) { singleIsReplaced(t, s) })
	t.Run("a change is made once though it is not known to be made", func(t *testing.T) { changeIsMadeOnce(t, s) })
	t.Run("doctor says how it is", func(t *testing.T) { doctorOnSwarm(t, s) })
}

// startOnSwarm starts a daemon that drives the swarm.
func startOnSwarm(t testing.TB, s *enginetest.Swarm, flags ...string) *daemon {
	t.Helper()
	d := &daemon{instance: "e2e-" + strings.ToLower(rand.Text()[:10]), dir: t.TempDir()}
	d.flags = append(swarmFlags(s), flags...)
	for _, n := range s.Nodes {
		d.hosts = append(d.hosts, n.Socket)
	}
	d.startFor(t)
	return d
}

func swarmFlags(s *enginetest.Swarm) []string {
	return []string{"--engine", "swarm", "--docker-host", s.Nodes[0].Socket, "--registry", s.Registry,
		"--node-api", "tcp://{address}:2376", "--node-ca", s.TLS.CA, "--node-cert", s.TLS.Cert, "--node-key", s.TLS.Key}
}

// doctorOnSwarm has doctor look at the swarm, and at what it is not told rightly.
func doctorOnSwarm(t *testing.T, s *enginetest.Swarm) {
	worker := s.Nodes[1].Socket
	for _, c := range []struct {
		flags []string
		want  []finding
	}{
		{nil, []finding{{"manager " + s.Nodes[0].Socket, "ok", "API 1.", ""}, {"quorum", "warn", "1 of 1 managers", ""}, {"nodes", "ok", "3 of 3", ""},
			{"node API", "ok", "3 of 3", ""}, {"heartbeat", "ok", "13.5s", ""}, {"registry", "ok", "reaches " + s.Registry, ""}}},
		{[]string{"--manager", worker}, []finding{{"manager " + worker, "warn", "is a worker of its swarm", ""}}},
		{[]string{"--node-api", "tcp://{address}:1", "--registry", "127.0.0.1:1"}, []finding{{"node API", "ok", "1 of 3", ""}, {"registry", "fail", "does not reach 127.0.0.1:1", ""}}},
	} {
		found, _ := examine(t, examination{flags: append(swarmFlags(s), c.flags...)})
		for _, want := range c.want {
			if !slices.ContainsFunc(found, func(f finding) bool {
				return f.Check == want.Check && f.State == want.State && strings.Contains(f.Detail, want.Detail)
			}) {
				t.Errorf("with %v there is no %+v in\n%+v", c.flags, want, found)
			}
		}
	}
}

// server answers each request with the time, and can write a file.
var server = files{"Dockerfile": base + `RUN mkdir /www && echo a page >/www/index.html
EXPOSE 8080
CMD echo "serving $GREETING"; touch /started; exec httpd -f -p 8080 -h /www
`}

func replicasAreLookedInto(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	greeting := `{{.Node.Hostname}} is not for callers`
	c := ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "replicas": 3, "environment": map[string]string{"GREETING": greeting}})
	if c.State != api.StateRunning || c.Replicas != 3 || c.Serving != 3 {
		t.Errorf("create answered %+v", c)
	}

	doc := ask[api.Inspect](w, "web/inspect", nil)
	if len(doc.Tasks) != 3 || len(doc.Nodes) != 3 {
		t.Errorf("there are the tasks %+v on the nodes %+v", doc.Tasks, doc.Nodes)
	}
	if !doc.Security.NoNewPrivileges || doc.Limits.Memory != 512<<20 || doc.Limits.Pids != 512 || len(doc.Security.Capabilities) != 11 {
		t.Errorf("the profile is %+v, %+v", doc.Security, doc.Limits)
	}
	if got := doc.Configuration.Environment["GREETING"]; got == nil || *got != greeting {
		t.Errorf("the environment is %v", doc.Configuration.Environment)
	}
	usage := ask[api.Usage](w, "web/top", nil)
	if len(usage.Replicas) != 3 || usage.Pids < 3 || usage.Memory.Limit != 3*512<<20 {
		t.Errorf("top answered %+v", usage)
	}
	changes := ask[[]api.Change](w, "web/diff", []any{"/started"})
	if fmt.Sprint(changes) != "[{/started added 1} {/started added 2} {/started added 3}]" {
		t.Errorf("diff answered %v", changes)
	}
	texts := map[string]bool{}
	eventually(t, "the log has a line of each replica", func() bool {
		for _, line := range ask[api.LogsResult](w, "web/logs", nil).Lines {
			texts[fmt.Sprint(line.Replica, " ", line.Text)] = true
		}
		return texts["1 serving "+greeting] && texts["2 serving "+greeting] && texts["3 serving "+greeting]
	})
	d.fetch(t, "web.localhost", http.StatusOK)

	for _, n := range []int{5, 2} {
		if c := ask[api.Container](w, "web/scale", []any{n}); c.Replicas != n || c.Serving != n {
			t.Errorf("scale to %d answered %+v", n, c)
		}
	}
	if c := ask[api.Container](w, "web/scale", []any{0}); c.State != api.StateExited || c.Serving != 0 || c.Finished.IsZero() {
		t.Errorf("scale to 0 answered %+v", c)
	}
	d.fetch(t, "web.localhost", http.StatusServiceUnavailable)
	if c := ask[api.Container](w, "web/start", nil); c.State != api.StateRunning || c.Serving != 2 {
		t.Errorf("start answered %+v", c)
	}
	refused(w, api.CodeStartFailed, "create", map[string]any{"image": "server", "name": "broken", "command": []string{"/none"}, "init": false})
	refused(w, api.CodeInvalidParams, "create", map[string]any{"image": "server", "name": "inner", "profile": "strict"})
	refused(w, api.CodeInvalidParams, "create", map[string]any{"image": "server", "name": "root", "profile": "strict", "port": 0})
}

// replicaIsHeld looks from inside a replica at what the kernel lets it do.
func replicaIsHeld(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "facts", "port": 0, "restart": "no", "memory": 64 << 20, "pids": 32,
		"command": []string{"sh", "-c", "cat /proc/self/status; echo files $(ulimit -n) core $(ulimit -c) oom $(cat /proc/self/oom_score_adj); cat /proc/1/comm; cat /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/memory.max; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max"}})
	seen := map[string]bool{}
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t00000000800405fb", "CapEff:\t00000000800405fb",
		"files 8192 core 0 oom 500", "docker-init", "67108864", "32"} {
		eventually(t, "it has "+want, func() bool {
			for _, line := range ask[api.LogsResult](w, "facts/logs", nil).Lines {
				seen[line.Text] = true
			}
			return seen[want]
		})
	}
	ended := func() bool { return ask[api.Inspect](w, "facts/inspect", nil).State == api.StateExited }
	eventually(t, "it has ended", ended)
	ask[api.Container](w, "facts/start", nil)
	eventually(t, "it has run once more", func() bool {
		return len(ask[api.LogsResult](w, "facts/logs", map[string]any{"grep": "^docker-init$"}).Lines) == 2 && ended()
	})
}

func networksAndVolumes(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web", "network": "lan", "replicas": 2})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "reader", "network": "lan", "port": 0, "restart": "no", "volumes": []string{"pages:/pages"},
		"command": []string{"sh", "-c", "wget -O /pages/page http://web:8080/ && cat /pages/page"}})
	eventually(t, "one has read the other's page", func() bool {
		lines := ask[api.LogsResult](w, "reader/logs", map[string]any{"grep": "^a page$"}).Lines
		return len(lines) == 1
	})
	eventually(t, "it has ended", func() bool { return ask[api.Inspect](w, "reader/inspect", nil).State == api.StateExited })
	if doc := ask[api.Inspect](w, "reader/inspect", nil); doc.Network.Name != "lan" || len(doc.Mounts) != 1 || doc.Mounts[0].Volume != "pages" {
		t.Errorf("inspect answered %+v, %+v", doc.Network, doc.Mounts)
	}
	ask[api.Container](w, "remove", map[string]any{"name": "reader", "volumes": true})
	ask[api.Container](w, "remove", map[string]any{"name": "web"})
}

// counter writes a numbered line each 50 ms, and one when it is told to end.
var counter = files{"Dockerfile": base + `CMD trap 'echo bye; exit 0' TERM; n=0; while :; do n=$((n+1)); echo "tick $n ."; sleep 0.05; done
`}

func logsOutliveReplicas(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"counter", repository(t, counter)})
	ask[api.Container](w, "create", map[string]any{"image": "counter", "name": "counter", "port": 0})
	follow := w.start("counter/logs", map[string]any{"follow": true})
	cut, _ := follow.until("tick 20 ")

	d.kill(t) // meanwhile the log goes on
	d.start(t)
	w = d.connect(t)
	resumed := w.start("counter/logs", map[string]any{"follow": true, "after": cut.Cursor})
	next := number(t, cut.Lines[len(cut.Lines)-1].Text) + 1
	for next < 100 {
		out, ok := resumed.next()
		if !ok {
			t.Fatalf("the log ended: %v", resumed.end().Error)
		}
		for _, line := range out.Lines {
			if n := number(t, line.Text); n != next || out.Gap {
				t.Fatalf("the resumed log has %q (gap %v), want tick %d", line.Text, out.Gap, next)
			}
			next++
		}
	}
	ask[api.Container](w, "counter/stop", nil)
	stopped := ask[api.LogsResult](w, "counter/logs", map[string]any{"tail": 1})
	if len(stopped.Lines) != 1 || stopped.Lines[0].Text != "bye" || stopped.Truncated {
		t.Errorf("after the stop the log ends with %+v", stopped)
	}
	first := ask[api.LogsResult](w, "counter/logs", map[string]any{"grep": "^tick [123] "})
	if len(first.Lines) != 3 {
		t.Errorf("after the stop the log begins with %+v", first)
	}
	if paged := ask[api.LogsResult](w, "counter/logs", map[string]any{"after": first.Cursor}); len(paged.Lines) != 0 {
		t.Errorf("after the end there are %+v", paged.Lines)
	}
	ask[api.Container](w, "counter/start", nil)
	again := w.start("counter/logs", map[string]any{"follow": true, "after": stopped.Cursor})
	if out, _ := again.until("tick 1 "); out.Lines[0].Text != "tick 1 ." {
		t.Errorf("after the start the log goes on with %+v", out.Lines)
	}
}

// singleIsReplaced has the one replica of a service replaced: nothing of the swarm's
// update is left when its trial has ended.
func singleIsReplaced(t *testing.T, s *enginetest.Swarm) {
	d := startOnSwarm(t, s)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"server", repository(t, server)})
	before := ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web"})
	after := ask[api.Container](w, "web/restart", nil)
	if after.Serving != 1 || !after.Started.After(before.Started.Time) {
		t.Errorf("restart answered %+v, after %+v", after, before)
	}
	stopped := ask[api.Container](w, "web/stop", nil)
	refused(w, api.CodeNotFound, "web/rollback", nil)
	if again := ask[api.Container](w, "web/stop", nil); again.State != api.StateExited || again.Finished != stopped.Finished {
		t.Errorf("stopped once more, and not rolled back, it is %+v, after %+v", again, stopped)
	}
	if c := ask[api.Container](w, "web/update", map[string]any{"environment": map[string]string{"GREETING": "again"}}); c.Serving != 1 {
		t.Errorf("update answered %+v", c)
	}
}

// changeIsMadeOnce has the managers lose their leader, as far as the daemon is told,
// right after each change: what was begun is waited for, and not begun again.
func changeIsMadeOnce(t *testing.T, s *enginetest.Swarm) {
	p := enginetest.NewProxyOf(t, s.Nodes[0].Socket)
	d := startOnSwarm(t, s, "--docker-host", p.Socket())
	w := d.connect(t)
	first := ask[api.Build](w, "build", []any{"server", repository(t, server)})
	ask[api.Container](w, "create", map[string]any{"image": "server", "name": "web"})
	second := ask[api.Build](w, "build", []any{"server", repository(t, files{"Dockerfile": server["Dockerfile"] + "LABEL second=1\n"})})
	var updates atomic.Int64
	p.Inject(0, faults.Rule{Match: regexp.MustCompile(`^POST /services/[^/]+/update`), Status: http.StatusServiceUnavailable, Hit: func(string) { updates.Add(1) }})
	if c := ask[api.Container](w, "web/update", nil); c.Commit != second.Commit || c.Serving != 1 {
		t.Errorf("update answered %+v", c)
	}
	if n := updates.Load(); n != 2 {
		t.Errorf("the service was changed %d times, not for the first replica and for the others", n)
	}
	if c := ask[api.Container](w, "web/rollback", nil); c.Commit != first.Commit {
		t.Errorf("rollback answered %+v", c)
	}
}

// eventually waits for what should come to be.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}
