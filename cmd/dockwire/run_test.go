package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

// methods is a daemon that answers as a test wants.
type methods map[string]func(ctx context.Context, call *rpc.Call) (any, error)

// Accept implements rpc.Handler.
func (m methods) Accept(call *rpc.Call) (rpc.Job, error) {
	method, ok := m[call.Method()]
	if !ok {
		return rpc.Job{}, rpc.MethodNotFound("there is no method " + call.Method())
	}
	return rpc.Job{Run: func(ctx context.Context) (any, error) { return method(ctx, call) }, Stream: true}, nil
}

// serve serves methods and makes the command find them.
func serve(t *testing.T, m methods) {
	t.Helper()
	wire := rpc.NewServer(nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "the token is not known", http.StatusUnauthorized)
			return
		}
		if err := wire.Upgrade(w, r, m); err != nil {
			t.Errorf("upgrade: %v", err)
		}
	}))
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := wire.Shutdown(ctx); err != nil {
			t.Errorf("the server does not come to its end: %v", err)
		}
	})
	t.Setenv("DOCKWIRE_URL", "ws"+strings.TrimPrefix(s.URL, "http"))
	t.Setenv("DOCKWIRE_TOKEN", "secret")
}

// dockwire runs the command.
func dockwire(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func failing(code api.Code, message string, data api.ErrorData) func(context.Context, *rpc.Call) (any, error) {
	return func(context.Context, *rpc.Call) (any, error) {
		return nil, &rpc.Error{Code: int(code), Message: message, Data: data}
	}
}

func TestExitCodesAndErrorsSayWhatWentWrong(t *testing.T) {
	serve(t, methods{
		"list":        failing(api.CodeUnavailable, "Engine unavailable: it is away", api.ErrorData{}),
		"images":      failing(api.CodeForbidden, "Forbidden: images needs the scope read", api.ErrorData{}),
		"builds":      failing(api.CodeInternal, "Internal error", api.ErrorData{Ref: "r1"}),
		"build":       failing(api.CodeBuildFailed, "Build failed: RUN false ended with 1", api.ErrorData{Lines: []api.Line{{Text: "shown already"}}}),
		"create":      failing(api.CodeStartFailed, "Start failed: ./game is not there", api.ErrorData{Lines: []api.Line{{Text: "no \x1b[2Jsuch file"}}}),
		"remove":      failing(api.CodeNotFound, "Not found: there is no container game", api.ErrorData{}),
		"removeImage": failing(api.CodeConflict, "Conflict: a container uses it", api.ErrorData{}),
		"game/stop":   failing(api.CodeInvalidParams, "Invalid params", api.ErrorData{Param: "timeout", Reason: "timeout is below 0"}),
	})
	for _, c := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"ls", exitUnreachable, "dockwire: Engine unavailable: it is away\n"},
		{"images", exitForbidden, "dockwire: Forbidden: images needs the scope read\n"},
		{"builds", exitFailed, "dockwire: Internal error\n"},
		{"build game https://example.com/game.git", exitBuildFailed, "dockwire: Build failed: RUN false ended with 1\n"},
		{"create game prod", exitFailed, "no ^[[2Jsuch file\ndockwire: Start failed: ./game is not there\n"},
		{"rm game", exitNotFound, "dockwire: Not found: there is no container game\n"},
		{"rmi game", exitConflict, "dockwire: Conflict: a container uses it\n"},
		{"stop game -t -1", exitUsage, "dockwire: Invalid params: timeout is below 0\n"},
		{"start nobody", exitNotFound, "dockwire: Method not found: there is no method nobody/start\n"},
		{"lss", exitUsage, "dockwire: there is no command \"lss\"; is \"ls\" meant?\ndockwire: usage: dockwire [flags]; --help says more\n"},
		{"logs", exitUsage, "dockwire: accepts 1 arg(s), received 0\ndockwire: usage: dockwire logs NAME [flags]; --help says more\n"},
		{"logs game -n many", exitUsage, "dockwire: --tail \"many\": a number of lines or all is wanted\n"},
		{"create game prod -e =x", exitUsage, "dockwire: --env \"=x\": KEY=VALUE is wanted\n"},
		{"call list {", exitUsage, "dockwire: the parameters are not JSON: {\n"},
		{"create game prod -m lots", exitUsage, "dockwire: invalid argument \"lots\" for \"-m, --memory\" flag: a size is wanted, such as 64k, 512m or 1g\n" +
			"dockwire: usage: dockwire create IMAGE NAME [-- COMMAND...] [flags]; --help says more\n"},
	} {
		code, stdout, stderr := dockwire(t, strings.Fields(c.args)...)
		if code != c.code || stderr != c.stderr || stdout != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr\n%s\nwant exit %d and\n%s", c.args, code, stdout, stderr, c.code, c.stderr)
		}
	}
}

func TestADaemonThatCannotBeUsedHasAnExitCode(t *testing.T) {
	serve(t, methods{})
	t.Setenv("DOCKWIRE_TOKEN", "wrong")
	if code, _, stderr := dockwire(t, "ls"); code != exitForbidden || !strings.Contains(stderr, "the token is not known") {
		t.Errorf("a wrong token: exit %d, %s", code, stderr)
	}
	if code, _, stderr := dockwire(t, "ls", "--url", "127.0.0.1:7420"); code != exitUnreachable || !strings.Contains(stderr, "must be ws://HOST:PORT") {
		t.Errorf("no scheme: exit %d, %s", code, stderr)
	}
	if code, _, stderr := dockwire(t, "ls", "--url", "unix://"+t.TempDir()+"/none.sock"); code != exitUnreachable || !strings.Contains(stderr, "dockwire serve") {
		t.Errorf("no daemon: exit %d, %s", code, stderr)
	}
}

func TestWhatIsWrongInTheCallIsWrongUsage(t *testing.T) {
	serve(t, methods{})
	for _, args := range [][]string{
		{"serve", "--state-dir", t.TempDir(), "--log-level", "loud"},
		{"serve", "--state-dir", t.TempDir(), "--builder", "other"},
		{"call", "list", "7"},
		{"call", "list", "null"},
		{"call", "list", "{"},
	} {
		if code, _, stderr := dockwire(t, args...); code != exitUsage {
			t.Errorf("%q: exit %d, %s", args, code, stderr)
		}
	}
}

func TestAnInterruptedCommandCancelsItsCall(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	cancelled := make(chan struct{})
	serve(t, methods{"build": func(ctx context.Context, _ *rpc.Call) (any, error) {
		interrupt()
		<-ctx.Done()
		close(cancelled)
		return nil, ctx.Err()
	}})
	var out, errs bytes.Buffer
	code := run(ctx, []string{"build", "game", "https://example.com/game.git"}, strings.NewReader(""), &out, &errs)
	if code != exitInterrupted || errs.String() != "dockwire: interrupted\n" {
		t.Errorf("exit %d, %q", code, errs.String())
	}
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Error("the daemon was not told")
	}
}

func TestABuildPrintsItsOutputAndASummary(t *testing.T) {
	serve(t, methods{"build": func(ctx context.Context, call *rpc.Call) (any, error) {
		var p api.BuildParams
		if err := json.Unmarshal(call.Params(), &p); err != nil {
			return nil, err
		}
		if p.Args["MODE"] != "fast" || p.Args["HOME_TOWN"] != "Brno" || len(p.Args) != 2 || p.Dockerfile != "Dockerfile.x" || !p.NoCache {
			t.Errorf("the parameters are %s", call.Params())
		}
		err := call.Notify(ctx, api.EventBuild, []byte(`"name":"game","seq":2,"lines":[{"time":null,"stream":"git","text":"Cloning"},{"time":null,"stream":"stdout","text":"\u001b]0;x\u0007ok"}],"cursor":"c"`))
		return api.Build{Name: "game", ID: "sha256:00112233445566", Commit: "0123456789abcdef", Size: 34_500_000, Seconds: 12.34, Seq: 2}, err
	}})
	t.Setenv("HOME_TOWN", "Brno")
	args := []string{"build", "game", "https://example.com/game.git", "--build-arg", "MODE=fast", "--build-arg", "HOME_TOWN",
		"--build-arg", "NOT_IN_THE_ENVIRONMENT", "-f", "Dockerfile.x", "--no-cache"}
	code, stdout, stderr := dockwire(t, args...)
	golden(t, stdout, "Cloning\n^[]0;x^Gok\nBuilt game in 12.3s: commit 0123456789ab, image 001122334455, 34.5MB\n")
	if code != 0 || stderr != "" {
		t.Errorf("exit %d, %s", code, stderr)
	}
	_, stdout, _ = dockwire(t, append(args, "--json")...)
	var event api.Output
	var build api.Build
	dec := json.NewDecoder(strings.NewReader(stdout))
	if err := dec.Decode(&event); err != nil || event.Seq != 2 {
		t.Errorf("the first document is %+v, %v", event, err)
	}
	if err := dec.Decode(&build); err != nil || build.Name != "game" || strings.Count(stdout, "\n") != 2 {
		t.Errorf("the last document is %+v, %v", build, err)
	}
}

func TestCreateSendsWhatWasGivenAndNothingElse(t *testing.T) {
	got := make(chan string, 1)
	serve(t, methods{"create": func(_ context.Context, call *rpc.Call) (any, error) {
		got <- string(call.Params())
		return api.Container{Name: "prod", State: api.StateRunning, URL: "http://prod.localhost:8420/"}, nil
	}})
	for args, want := range map[string]string{
		"create game prod": `{"image":"game","name":"prod"}`,
		"create game prod -e A=1=2 -p 0 -m 512m --cpus 1.5 --pids 9 -v data:/var/data --start=false --init=false": `{"image":"game","name":"prod",` +
			`"environment":{"A":"1=2"},"port":0,"memory":536870912,"cpus":1.5,"pids":9,"volumes":["data:/var/data"],"init":false,"start":false}`,
		"create game prod -- ./game --fast": `{"image":"game","name":"prod","command":["./game","--fast"]}`,
	} {
		code, stdout, stderr := dockwire(t, strings.Fields(args)...)
		if code != 0 || stdout != "prod running at http://prod.localhost:8420/\n" {
			t.Fatalf("%s: exit %d, %s%s", args, code, stdout, stderr)
		}
		if params := <-got; params != want {
			t.Errorf("%s sends %s, want %s", args, params, want)
		}
	}
}

func TestSeveralNamesAreAllTried(t *testing.T) {
	serve(t, methods{"remove": func(_ context.Context, call *rpc.Call) (any, error) {
		var p api.RemoveParams
		if err := json.Unmarshal(call.Params(), &p); err != nil || !p.Volumes {
			t.Errorf("the parameters are %s, %v", call.Params(), err)
		}
		if p.Name != "good" {
			return nil, &rpc.Error{Code: int(api.CodeNotFound), Message: "Not found: " + p.Name}
		}
		return api.Container{Name: p.Name, State: api.StateRemoved}, nil
	}})
	code, stdout, stderr := dockwire(t, "rm", "-v", "bad", "good", "worse")
	if code != exitNotFound || stdout != "good removed\n" || stderr != "dockwire: Not found: bad\ndockwire: Not found: worse\n" {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestLogsAreShownWholeThoughTheyDoNotFitIntoAnAnswer(t *testing.T) {
	serve(t, methods{"game/logs": func(ctx context.Context, call *rpc.Call) (any, error) {
		if want := `{"follow":true,"tail":5,"until":"0s","grep":"a|b"}`; string(call.Params()) != want {
			t.Errorf("the parameters are %s, want %s", call.Params(), want)
		}
		line := `{"time":"2026-01-02T03:04:05.000000006Z","stream":"%s","text":"%s"}`
		lines := fmt.Sprintf(line+","+line+","+line, "stdout", "one", "stdout", "two", "stderr", "three")
		err := call.Notify(ctx, api.EventLogs, []byte(`"name":"game","seq":3,"lines":[`+lines+`]`))
		return api.LogsResult{Seq: 3}, err
	}})
	code, stdout, stderr := dockwire(t, "logs", "game", "-n", "5", "--grep", "a|b")
	if code != 0 || stdout != "one\ntwo\n" || stderr != "three\n" {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestLogsAsJSONAreOneDocument(t *testing.T) {
	serve(t, methods{"game/logs": func(_ context.Context, call *rpc.Call) (any, error) {
		if string(call.Params()) != `{}` {
			t.Errorf("the parameters are %s", call.Params())
		}
		return api.LogsResult{Name: "game", Lines: []api.Line{{Stream: api.Stdout, Text: "\u009b2J<é>"}}, Truncated: true, Cursor: "c9"}, nil
	}})
	code, stdout, _ := dockwire(t, "logs", "game", "--json")
	golden(t, stdout, `{"name":"game","lines":[{"time":null,"stream":"stdout","text":"\u009b2J<é>"}],"truncated":true,"cursor":"c9"}`+"\n")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestALogThatIsNotFollowedEndsNow(t *testing.T) {
	past, future := time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)
	for until, want := range map[string]string{"": "0s", future: "0s", past: past, "10m": "10m", "rubbish": "rubbish"} {
		if got := nowAtTheLatest(until); got != want {
			t.Errorf("until %q becomes %q, want %q", until, got, want)
		}
	}
}

func TestCallPrintsEventsAndTheResult(t *testing.T) {
	serve(t, methods{"x/y": func(ctx context.Context, call *rpc.Call) (any, error) {
		err := call.Notify(ctx, "x/output", []byte(`"seq":1`))
		return json.RawMessage(`{"params":` + string(call.Params()) + `}`), err
	}})
	code, stdout, stderr := dockwire(t, "call", "x/y", `[1, "é"]`)
	event, result, _ := strings.Cut(stdout, "\n")
	if code != 0 || !strings.HasPrefix(event, `{"method":"x/output","params":{"id":`) || result != `{"params":[1,"é"]}`+"\n" {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

func TestHelpListsTheExitCodes(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"help"}} {
		code, stdout, _ := dockwire(t, args...)
		if code != 0 || !strings.Contains(stdout, "6    the build failed") {
			t.Errorf("%q: exit %d\n%s", args, code, stdout)
		}
	}
}

func TestTheNamesOfContainersAreCompleted(t *testing.T) {
	serve(t, methods{"list": func(context.Context, *rpc.Call) (any, error) {
		return []api.Container{{Name: "game"}, {Name: "prod"}}, nil
	}})
	code, stdout, _ := dockwire(t, "__complete", "logs", "")
	if code != 0 || !strings.HasPrefix(stdout, "game\nprod\n") {
		t.Errorf("exit %d, %q", code, stdout)
	}
}
