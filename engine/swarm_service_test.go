package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/journal"
)

// testService is a service with a replica for each of the tasks.
func testService(replicas int, checked bool, tasks ...task) *record {
	r := &record{service: &service{checked: checked, tasks: tasks}, Container: api.Container{Name: "app", Replicas: replicas}}
	r.sum()
	return r
}

var testEpoch = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func testTask(replica int, state, wanted string, second int) task {
	at := api.Time{Time: testEpoch.Add(time.Duration(second) * time.Second)}
	return task{Task: api.Task{ID: fmt.Sprint(replica, state, second), Replica: replica, State: state, Wanted: wanted, Since: at}, created: at}
}

func TestAServiceIsAsItsTasksAre(t *testing.T) {
	failed := testTask(1, "failed", "shutdown", 3)
	failed.ExitCode = 7
	orphan := testTask(1, "running", "shutdown", 1)
	orphan.Orphan, orphan.node = true, &node{api.Node{State: "down"}}
	unborn := testTask(1, "assigned", "shutdown", 1) // its node went before it had taken it
	unborn.node = orphan.node
	for _, c := range []struct {
		what          string
		r             *record
		state, health string
		serving       int
		settled       bool
	}{
		{"nothing was started", testService(0, false), api.StateCreated, api.HealthNone, 0, true},
		{"all run", testService(2, true, testTask(1, "running", "running", 1), testTask(2, "running", "running", 2)), api.StateRunning, api.HealthHealthy, 2, true},
		{"one of two runs", testService(2, true, testTask(1, "running", "running", 1), testTask(2, "starting", "running", 2)), api.StateRunning, api.HealthStarting, 1, false},
		{"none runs yet", testService(1, false, failed, testTask(1, "ready", "ready", 4)), api.StateRestarting, api.HealthNone, 0, false},
		{"it ended", testService(1, false, failed), api.StateExited, api.HealthNone, 0, true},
		{"one was replaced on a node that is down", testService(1, false, orphan, testTask(1, "running", "running", 9)), api.StateRunning, api.HealthNone, 1, true},
		{"one was replaced that never began on a node that is down", testService(1, false, unborn, testTask(1, "running", "running", 9)), api.StateRunning, api.HealthNone, 1, true},
		{"one is being stopped", testService(1, false, testTask(1, "running", "shutdown", 1), testTask(1, "running", "running", 2)), api.StateRunning, api.HealthNone, 1, false},
	} {
		if c.r.State != c.state || c.r.Health != c.health || c.r.Serving != c.serving || c.r.settled() != c.settled {
			t.Errorf("when %s it is %s, %s, serves %d, settled %v", c.what, c.r.State, c.r.Health, c.r.Serving, c.r.settled())
		}
	}
	if r := testService(1, false, failed); r.ExitCode != 7 || r.Restarts != 1 || !r.Finished.Equal(failed.Since.Time) {
		t.Errorf("one that ended is %+v", r.Container)
	}
	if r := testService(1, false, orphan); r.Orphans != 1 {
		t.Errorf("one with an orphan is %+v", r.Container)
	}
}

func TestTheFirstReplicaOfAnUpdateIsTried(t *testing.T) {
	before := testService(1, false, testTask(1, "running", "running", 1))
	ended := testTask(1, "failed", "shutdown", 2)
	ended.Error = "task: non-zero exit (3)"
	for _, c := range []struct {
		what   string
		update string
		tasks  []task
		want   string // "" when it works, else the error
	}{
		{"there is none yet", "", nil, errNotYet.Error()},
		{"it starts", "updating", []task{testTask(1, "starting", "running", 2)}, errNotYet.Error()},
		{"it runs", "updating", []task{testTask(1, "running", "running", 2)}, ""},
		{"it failed", "paused", []task{ended}, "a new replica failed: task: non-zero exit (3)"},
	} {
		r := testService(1, false, append(c.tasks, before.service.tasks...)...)
		r.service.update = c.update
		err := newTrial(before, time.Minute, time.Minute).look(r)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("when %s: %v", c.what, err)
		}
	}
}

func TestAnUpdateIsOverWhenThereIsNothingLeftToReplace(t *testing.T) {
	old := testTask(1, "running", "running", 1)
	gone, runs, ended := testTask(1, "shutdown", "shutdown", 1), testTask(1, "running", "running", 2), testTask(1, "failed", "shutdown", 2)
	gone.ID = old.ID
	for _, c := range []struct {
		what, update string
		ago          time.Duration
		tasks        []task
		want         string // "" when it is over, else the error
	}{
		{"the old one runs still", "", monitorTime, []task{runs, old}, errNotYet.Error()},
		{"the new one runs for a moment only", "", 0, []task{runs, gone}, errNotYet.Error()},
		{"the new one runs", "", monitorTime, []task{runs, gone}, ""},
		{"the new one has ended", "", monitorTime, []task{ended, gone}, "a new replica failed: it ended with exit code 0"},
		{"the swarm goes on", "updating", monitorTime, []task{runs, gone}, errNotYet.Error()},
		{"the swarm has done it", "completed", 0, []task{runs, gone}, ""},
	} {
		first := newTrial(testService(1, false, old), time.Minute, time.Minute)
		first.since = time.Now().Add(-c.ago)
		r := testService(1, false, c.tasks...)
		r.service.update = c.update
		err := first.rolled(r)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("when %s: %v", c.what, err)
		}
	}
	back := newTrial(testService(1, false, old), time.Minute, time.Minute).back(testService(1, false, runs, gone))
	if err := back.rolled(testService(1, false, runs, gone)); !errors.Is(err, errNotYet) {
		t.Errorf("while what is taken back runs: %v", err)
	}
	runs.State, runs.Wanted = "shutdown", "shutdown"
	if err := back.rolled(testService(1, false, testTask(1, "running", "running", 3), runs, gone)); err != nil {
		t.Errorf("when it was taken back: %v", err)
	}
}

func TestAllReplicasHaveToBeStartedHoweverOftenOneEnds(t *testing.T) {
	ended := func(second int) task {
		failed := testTask(1, "failed", "shutdown", second)
		failed.Error = "task: non-zero exit (1)"
		return failed
	}
	waits := testService(2, false, ended(1), ended(3), testTask(2, "preparing", "running", 1))
	if err := started(nil)(waits); !errors.Is(err, errNotYet) {
		t.Errorf("while the second is not there yet: %v", err)
	}
	runs := testService(2, false, ended(1), ended(3), testTask(2, "running", "running", 1))
	if err := started(nil)(runs); err != nil {
		t.Errorf("when it runs: %v", err)
	}
}

func TestWhatIsStoppedStaysSoSinceWhenItWas(t *testing.T) {
	two := uint64(2)
	spec := &swarm.ServiceSpec{Annotations: swarm.Annotations{Labels: map[string]string{}}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}}}
	setReplicas(spec, 0)
	first := spec.Labels[labelStopped]
	if first == "" {
		t.Error("it is not told when it was stopped")
	}
	setReplicas(spec, 0)
	if spec.Labels[labelStopped] != first {
		t.Errorf("stopped once more it was stopped at %s, not %s", spec.Labels[labelStopped], first)
	}
	setReplicas(spec, 3)
	if _, still := spec.Labels[labelStopped]; still || spec.Labels[labelReplicas] != "3" {
		t.Errorf("started it has the labels %v", spec.Labels)
	}
	never, none := *spec, uint64(0)
	never.Labels, never.Mode.Replicated = map[string]string{}, &swarm.ReplicatedService{Replicas: &none}
	if setReplicas(&never, 0); len(never.Labels) != 0 {
		t.Errorf("one that never ran has the labels %v after a stop", never.Labels)
	}
}

func TestACallersTextIsNoTemplateOfTheSwarms(t *testing.T) {
	if got := literal("a {{.Node.ID}} b"); got != `a {{"{{"}}.Node.ID}} b` {
		t.Errorf("it became %s", got)
	}
}

func TestOnlyABreakOfTheCopyIsAGap(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Bounds{Segment: 1 << 10, Segments: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Remove()
	line := func(n int) {
		l := api.Line{Time: api.Time{Time: testEpoch.Add(time.Duration(n) * time.Second)}, Stream: api.Stdout, Text: fmt.Sprint("line ", n), Replica: 1}
		if err := j.Append(append(l.AppendJSON(nil), '\n')); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		line(n)
	}
	first, next := j.Range()
	q := &copyQuery{record: &record{Container: api.Container{ID: "abcdefghijklmnop"}}, journal: j}
	cursor := (&copyQuery{record: q.record, pos: next - 1}).cursor()
	for _, c := range []struct {
		cursor string
		pos    int64
		gap    bool
		err    bool
	}{
		{"", 0, false, false},
		{cursor, next - 1, false, false},
		{(&copyQuery{record: q.record, pos: first - 1}).cursor(), 0, true, false},
		{(&copyQuery{record: &record{Container: api.Container{ID: "ponmlkjihgfedcba"}}, pos: first}).cursor(), 0, true, false},
		{"rubbish", 0, false, true},
	} {
		q.pos, q.gap = 0, false
		var known *Error
		if err := q.goAfter(c.cursor); errors.As(err, &known) != c.err || q.pos != c.pos || q.gap != c.gap {
			t.Errorf("after %q it is at %d, gap %v, %v", c.cursor, q.pos, q.gap, err)
		}
	}
	q.pos, q.gap = 0, false
	if q.reader, err = j.Reader(0); err != nil {
		t.Fatal(err)
	}
	defer q.reader.Close()
	raw, err := q.next()
	var got api.Line
	if err != nil || json.Unmarshal(raw, &got) != nil || got.Text != fmt.Sprint("line ", first) || got.Replica != 1 || q.gap {
		t.Errorf("without a cursor it begins with %+v, gap %v, %v", got, q.gap, err)
	}
}

func TestWhatAServiceCannotDoIsRefused(t *testing.T) {
	zero := 0
	for _, c := range []struct {
		param, runtime string
		p              api.CreateParams
	}{
		{"", "", api.CreateParams{}},
		{"", "", api.CreateParams{Profile: profileStrict, Port: &zero}},
		{"profile", "", api.CreateParams{Profile: profileStrict}},
		{"profile", "runsc", api.CreateParams{Profile: profileStrict, Port: &zero}},
		{"memory", "", api.CreateParams{Memory: 1}},
		{"cpus", "", api.CreateParams{CPUs: 0.001}},
		{"cpus", "", api.CreateParams{CPUs: 1e10}},
		{"pids", "", api.CreateParams{Pids: 1}},
	} {
		s := &Swarm{cfg: Config{StrictRuntime: c.runtime}}
		err := s.checkService(withDefaults(c.p))
		var refused *Error
		if errors.As(err, &refused) != (c.param != "") || refused != nil && refused.Data.Param != c.param {
			t.Errorf("%+v with the runtime %q: %v, not %q", c.p, c.runtime, err, c.param)
		}
	}
}

func TestAStrictServiceNeverRunsAsRoot(t *testing.T) {
	for _, c := range []struct {
		profile, user, says string
	}{
		{profileDefault, "", ""},
		{profileStrict, "1000:1000", ""},
		{profileStrict, "", "runs as root"},
		{profileStrict, "0", "runs as root"},
		{profileStrict, "app", "only a user that is a number"},
	} {
		err := checkServiceUser(spec{CreateParams: api.CreateParams{Image: "app", Profile: c.profile}, image: facts{user: c.user}})
		if (err == nil) != (c.says == "") || err != nil && (classOf(err) != Invalid || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s as %q: %v", c.profile, c.user, err)
		}
	}
}
