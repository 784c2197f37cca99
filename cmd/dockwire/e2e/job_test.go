package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// The main job: from a git URL to a running, watched container, and to nothing.
func TestTheMainJob(t *testing.T) { mainJob(t, startDaemon(t)) }

// mainJob does it, whatever engine is behind the daemon.
func mainJob(t *testing.T, d *daemon) {
	w := d.connect(t)
	url := repository(t, game)

	build := w.start("build", []any{"gamebackendv3", url})
	_, step := build.until("compiled the game")
	if step.Stream != api.Stdout {
		t.Errorf("the step's line came as %s, want stdout", step.Stream)
	}
	built := result[api.Build](build)
	if built.Name != "gamebackendv3" || built.Commit == "" || !strings.HasPrefix(built.ID, "sha256:") || built.Seq == 0 {
		t.Errorf("build answered %+v", built)
	}

	created := ask[api.Container](w, "create", []any{"gamebackendv3", "prodbackend", map[string]string{"LEVEL": "7"}})
	if created.State != api.StateRunning || created.Domain != "prodbackend.localhost" || created.Commit != built.Commit {
		t.Errorf("create answered %+v", created)
	}
	if again := ask[api.Container](w, "prodbackend/start", nil); again.ID != created.ID || again.State != api.StateRunning {
		t.Errorf("start answered %+v", again)
	}

	logs := w.start("prodbackend/logs", map[string]any{"follow": true})
	logs.until("level 7")
	if body := d.fetch(t, "prodbackend.localhost", http.StatusOK); !strings.Contains(body, "a page of the game") {
		t.Errorf("the page is %q", body)
	}
	usage := ask[api.Usage](w, "prodbackend/top", nil)
	if usage.Memory.Usage <= 0 || usage.Memory.Limit <= 0 || usage.Pids < 1 || usage.Time.IsZero() {
		t.Errorf("top answered %+v", usage)
	}

	removed := ask[api.Container](w, "remove", []any{"prodbackend"})
	if removed.State != api.StateRemoved || removed.ID != created.ID {
		t.Errorf("remove answered %+v", removed)
	}
	if end := result[api.LogsResult](logs); end.Seq == 0 || end.Cursor == "" {
		t.Errorf("the log ended with %+v", end)
	}
	refused(w, api.CodeMethodNotFound, "prodbackend/start", nil)
	if all := ask[[]api.Container](w, "list", nil); len(all) != 0 {
		t.Errorf("list answered %+v", all)
	}
	d.fetch(t, "prodbackend.localhost", http.StatusNotFound)
}

func TestBuildOutputArrivesWhileTheBuildRuns(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	build := w.start("build", []any{"slow", repository(t, slowBuild)})
	first, _ := build.until("first")
	build.end()
	if ahead := time.Since(first.came); ahead < time.Second {
		t.Errorf("the first line of a step of two seconds came only %v before the answer", ahead)
	}
}

// networks lists the networks of the daemon's containers, and those to be.
func (d *daemon) networks(t *testing.T) string {
	t.Helper()
	return enginetest.ByHand(t, "docker", "network", "ls", "--quiet", "--filter", "label=io.dockwire.instance="+d.instance, "--filter", "label=io.dockwire.kind=network")
}

// What a create needs whatever its image is, is made while the image is built,
// and is gone again if that fails.
func TestACreateIsPreparedWhileItsImageIsBuilt(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	build := w.start("build", []any{"slow", repository(t, slowBuild)})
	create := w.start("create", map[string]any{"image": "slow", "name": "web", "command": []string{"sleep", "1000"}})
	for deadline := time.Now().Add(patience); d.networks(t) == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no network was made")
		}
	}
	select {
	case <-build.answered:
		t.Error("the network was made only after the build")
	default:
	}
	result[api.Build](build)
	if c := result[api.Container](create); c.State != api.StateRunning {
		t.Errorf("create answered %+v", c)
	}
	broken := w.start("build", []any{"bad", repository(t, brokenBuild)})
	refused(w, api.CodeNotFound, "create", []any{"bad", "other"})
	broken.end()
	ask[api.Container](w, "remove", []any{"web"})
	if left := d.networks(t); left != "" {
		t.Errorf("of a build that failed, and its create, is left the network %s", left)
	}
}

func TestALogLineReachesItsFollowerAtOnce(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"ticker", repository(t, ticker)})
	ask[api.Container](w, "create", []any{"ticker", "ticker"})
	logs := w.start("ticker/logs", map[string]any{"follow": true, "tail": 0})
	var delays []time.Duration
	for len(delays) < 20 {
		out, ok := logs.next()
		if !ok {
			t.Fatalf("the log ended: %v", logs.end().Error)
		}
		for _, line := range out.Lines {
			delays = append(delays, out.came.Sub(line.Time.Time))
		}
	}
	t.Logf("from the engine's stamp to the client: median %v, worst %v", median(delays), worst(delays))
	if m := median(delays); m > 100*time.Millisecond {
		t.Errorf("half of the lines took longer than %v", m)
	}
	logs.cancel()
	if end := logs.end(); end.Error == nil || end.Error.Code != api.CodeCancelled || end.Error.Data.Seq == nil {
		t.Errorf("the cancelled log ended with %+v", end)
	}
}

func TestTwoClientsBuildAndTailAtOnce(t *testing.T) {
	d := startDaemon(t)
	names := []string{"left", "right"}
	var clients []*wire
	var builds []*call
	for _, name := range names {
		w := d.connect(t)
		clients = append(clients, w)
		builds = append(builds, w.start("build", []any{name, repository(t, game)}))
	}
	for i, name := range names {
		for _, line := range builds[i].lines() {
			if line.Stream == api.Git && strings.Contains(line.Text, names[1-i]) {
				t.Errorf("the output of %s speaks of the other: %s", name, line.Text)
			}
		}
		result[api.Build](builds[i])
		ask[api.Container](clients[i], "create", []any{name, name, map[string]string{"LEVEL": name}})
	}
	for i, own := range names {
		other := names[1-i]
		mine := clients[i].start(own+"/logs", map[string]any{"follow": true})
		theirs := clients[i].start(other+"/logs", map[string]any{"follow": true})
		mine.until("level " + own)
		theirs.until("level " + other)
	}
	clients[0].conn.Close()
	clients[1].start(names[0]+"/logs", map[string]any{"follow": true}).until("level left")
}

func TestAKilledDaemonFindsEverythingAgain(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"ticker", repository(t, ticker)})
	before := ask[api.Container](w, "create", []any{"ticker", "ticker"})
	logs := w.start("ticker/logs", map[string]any{"follow": true})
	out, last := logs.until("tick 5 ")
	for _, line := range out.Lines {
		last = line
	}

	d.kill(t)
	d.start(t)

	w = d.connect(t)
	all := ask[[]api.Container](w, "list", nil)
	if len(all) != 1 || all[0].ID != before.ID || all[0].State != api.StateRunning || all[0].Restarts != 0 || all[0].Domain != before.Domain {
		t.Fatalf("list answered %+v", all)
	}
	if images := ask[[]api.Image](w, "images", nil); len(images) != 1 || images[0].Name != "ticker" || images[0].URL == "" {
		t.Errorf("images answered %+v", images)
	}
	resumed := w.start("ticker/logs", map[string]any{"follow": true, "after": out.Cursor})
	wantNext := number(t, last.Text) + 1
	for seen := 0; seen < 20; {
		out, ok := resumed.next()
		if !ok {
			t.Fatalf("the log ended: %v", resumed.end().Error)
		}
		for _, line := range out.Lines {
			if n := number(t, line.Text); n != wantNext || out.Gap {
				t.Fatalf("the resumed log has %q (gap %v), want tick %d", line.Text, out.Gap, wantNext)
			}
			wantNext++
			seen++
		}
	}
	d.fetch(t, "ticker.localhost", http.StatusOK)
}

func TestABuildOutlivesItsCaller(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	url := repository(t, slowBuild)
	first, _ := w.start("build", []any{"slow", url}).until("first")
	w.conn.Close()

	w = d.connect(t)
	rest := w.start("build", map[string]any{"name": "slow", "url": url, "after": first.Cursor})
	seq := first.Seq
	for {
		out, ok := rest.next()
		if !ok {
			break
		}
		if out.Seq != seq+int64(len(out.Lines)) || out.Build != first.Build {
			t.Errorf("after seq %d of build %s came %d lines up to seq %d of build %s", seq, first.Build, len(out.Lines), out.Seq, out.Build)
		}
		seq = out.Seq
	}
	if built := result[api.Build](rest); built.Seq != seq || built.Build != first.Build {
		t.Errorf("build answered %+v, want seq %d of build %s", built, seq, first.Build)
	}
}

func TestTheIngressTellsWhatIsWrong(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"game", repository(t, game)})
	ask[api.Container](w, "create", []any{"game", "game"})
	ask[api.Container](w, "create", map[string]any{"image": "game", "name": "wrong-port", "port": 9})
	d.fetch(t, "game.localhost", http.StatusOK)
	d.fetch(t, "wrong-port.localhost", http.StatusBadGateway)
	d.fetch(t, "nobody.localhost", http.StatusNotFound)
	ask[api.Container](w, "game/stop", map[string]any{"timeout": 1})
	d.fetch(t, "game.localhost", http.StatusServiceUnavailable)
}

// fetch gets the page of a domain through the ingress, and waits until it
// answers with the status: an app needs a moment to listen.
func (d *daemon) fetch(t testing.TB, domain string, status int) string {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.ingress+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = domain
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("GET http://%s/: %v", domain, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == status {
			return string(body)
		}
		got = resp.Status
	}
	t.Fatalf("http://%s/ answers %s, want %d", domain, got, status)
	return ""
}
