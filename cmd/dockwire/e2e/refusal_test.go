package e2e

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

func TestBadInputHasItsOwnCodeAndSentence(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	good := repository(t, game)
	ask[api.Build](w, "build", []any{"game", good})
	ask[api.Container](w, "create", []any{"game", "taken"})
	seven := 7

	for _, test := range []struct {
		what     string
		method   string
		params   any
		code     api.Code
		sentence []string // parts of it
		data     api.ErrorData
	}{
		{"unknown repository", "build", []any{"bad", good + "-not-there"}, api.CodeNotFound,
			[]string{"not-there"}, api.ErrorData{Kind: "repository", Name: good + "-not-there"}},
		{"unknown ref", "build", []any{"bad", good + "#no-such-branch"}, api.CodeNotFound,
			[]string{"no-such-branch"}, api.ErrorData{Kind: "ref", Name: "no-such-branch"}},
		{"no Dockerfile", "build", []any{"bad", repository(t, files{"README": "nothing to build\n"})}, api.CodeNotFound,
			[]string{"Dockerfile"}, api.ErrorData{Kind: "dockerfile", Name: "Dockerfile"}},
		{"failing step", "build", []any{"bad", repository(t, brokenBuild)}, api.CodeBuildFailed,
			[]string{"exit code 7"}, api.ErrorData{ExitCode: &seven}},
		{"URL that is none", "build", []any{"bad", "file:///etc"}, api.CodeInvalidParams,
			[]string{"http"}, api.ErrorData{Param: "url"}},
		{"bad image name", "build", []any{"Not A Name", good}, api.CodeInvalidParams,
			[]string{"Not A Name", "a-z"}, api.ErrorData{Param: "name"}},
		{"unknown image", "create", []any{"nothing", "fresh"}, api.CodeNotFound,
			[]string{"nothing", "build"}, api.ErrorData{Kind: "image", Name: "nothing"}},
		{"taken name", "create", []any{"game", "taken"}, api.CodeConflict,
			[]string{"taken"}, api.ErrorData{Kind: "container", Name: "taken"}},
		{"bad name", "create", []any{"game", "under_score"}, api.CodeInvalidParams,
			[]string{"a-z", "0-9"}, api.ErrorData{Param: "name"}},
		{"command that is not there", "create", map[string]any{"image": "game", "name": "fresh", "command": []string{"/no/such"}}, api.CodeStartFailed,
			[]string{"fresh"}, api.ErrorData{}},
		{"unknown container", "remove", []any{"nobody"}, api.CodeNotFound,
			[]string{"nobody"}, api.ErrorData{Kind: "container", Name: "nobody"}},
		{"unknown operation", "taken/explode", nil, api.CodeMethodNotFound, nil, api.ErrorData{}},
		{"unknown parameter", "taken/stop", map[string]any{"force": true}, api.CodeInvalidParams,
			[]string{"force"}, api.ErrorData{Param: "force"}},
		{"missing parameter", "build", []any{"game"}, api.CodeInvalidParams,
			[]string{"url"}, api.ErrorData{Param: "url"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			err := refused(w, test.code, test.method, test.params)
			checkSentence(t, err, test.sentence)
			checkData(t, err.Data, test.data)
		})
	}
	leftAlone(t, w)
}

// leftAlone checks that what failed made nothing: no container, no image.
func leftAlone(t *testing.T, w *wire) {
	t.Helper()
	if all := ask[[]api.Container](w, "list", nil); len(all) != 1 || all[0].Name != "taken" {
		t.Errorf("containers: %+v", all)
	}
	if all := ask[[]api.Image](w, "images", nil); len(all) != 1 || all[0].Name != "game" {
		t.Errorf("images: %+v", all)
	}
}

func checkSentence(t *testing.T, err *api.Error, parts []string) {
	t.Helper()
	sentence := err.Message
	if err.Code.Standard() {
		if err.Message != err.Code.Error() {
			t.Errorf("message %q, want %q", err.Message, err.Code.Error())
		}
		if err.Data != nil {
			sentence = err.Data.Reason
		}
	} else if !strings.HasPrefix(err.Message, err.Code.Error()+": ") {
		t.Errorf("message %q does not begin with %q", err.Message, err.Code.Error()+": ")
	}
	for _, part := range parts {
		if !strings.Contains(sentence, part) {
			t.Errorf("the sentence %q does not say %q", sentence, part)
		}
	}
}

func checkData(t *testing.T, got *api.ErrorData, want api.ErrorData) {
	t.Helper()
	if got == nil {
		got = &api.ErrorData{}
	}
	if want.Param != "" && got.Param != want.Param {
		t.Errorf("data.param is %q, want %q", got.Param, want.Param)
	}
	if want.Kind != "" && (got.Kind != want.Kind || got.Name != want.Name) {
		t.Errorf("data is %s %q, want %s %q", got.Kind, got.Name, want.Kind, want.Name)
	}
	if want.ExitCode == nil {
		return
	}
	if got.ExitCode == nil || *got.ExitCode != *want.ExitCode || !strings.Contains(got.Step, "exit 7") {
		t.Errorf("data is step %q, exit code %v", got.Step, got.ExitCode)
	}
	if len(got.Lines) == 0 || !strings.Contains(fmt.Sprint(got.Lines), "about to fail") {
		t.Errorf("data has the last lines %v", got.Lines)
	}
}

func TestAnEngineThatIsDownIsSaidAtOnce(t *testing.T) {
	d := &daemon{instance: "e2e-down", dir: t.TempDir(), flags: []string{"--docker-host", "unix:///nonexistent/docker.sock"}}
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
	w := d.connect(t)
	for method, params := range map[string]any{
		"list":   nil,
		"build":  []any{"game", "http://127.0.0.1:1/game.git"},
		"create": []any{"game", "game"},
		"images": nil,
	} {
		begin := time.Now()
		err := refused(w, api.CodeUnavailable, method, params)
		if took := time.Since(begin); took > 3*time.Second { // two, and one for a busy machine
			t.Errorf("%s was answered after %v", method, took)
		}
		if err.Data == nil || err.Data.Outcome != api.OutcomeNone {
			t.Errorf("%s: data is %+v", method, err.Data)
		}
		checkSentence(t, err, []string{"engine"})
	}
	if resp, err := http.Get("http" + strings.TrimPrefix(d.url, "ws") + "/healthz"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("healthz: %v %v", resp, err)
	}
}

func TestStrangersAreRefusedBeforeTheUpgrade(t *testing.T) {
	d := startDaemon(t)
	good := "Bearer " + d.token
	for _, test := range []struct {
		what   string
		header http.Header
		status int
	}{
		{"no token", http.Header{}, http.StatusUnauthorized},
		{"wrong token", http.Header{"Authorization": {"Bearer " + strings.Repeat("x", len(d.token))}}, http.StatusUnauthorized},
		{"token under another scheme", http.Header{"Authorization": {"Basic " + d.token}}, http.StatusUnauthorized},
		{"a rebound Host", http.Header{"Authorization": {good}, "Host": {"evil.example"}}, http.StatusForbidden},
		{"a container's domain as Host", http.Header{"Authorization": {good}, "Host": {"game.localhost"}}, http.StatusForbidden},
		{"another site's page", http.Header{"Authorization": {good}, "Origin": {"https://evil.example"}}, http.StatusForbidden},
		{"a deployed app's page", http.Header{"Authorization": {good}, "Origin": {"http://game.localhost:8420"}}, http.StatusForbidden},
		{"a page without an origin", http.Header{"Authorization": {good}, "Origin": {"null"}}, http.StatusForbidden},
	} {
		t.Run(test.what, func(t *testing.T) {
			conn, resp, err := websocket.DefaultDialer.Dial(d.url, test.header)
			if err == nil {
				conn.Close()
				t.Fatal("the connection was upgraded")
			}
			if resp == nil || resp.StatusCode != test.status {
				t.Fatalf("got %v (%v), want %d", resp, err, test.status)
			}
		})
	}
}

func TestABrowserShowsItsTokenAsASubprotocol(t *testing.T) {
	d := startDaemon(t)
	dialer := websocket.Dialer{Subprotocols: []string{"jsonrpc", "bearer." + base64.RawURLEncoding.EncodeToString([]byte(d.token))}}
	conn, resp, err := dialer.Dial(d.url, http.Header{"Origin": {"http://localhost:5173"}})
	if err != nil {
		t.Fatalf("%v (%v)", err, resp)
	}
	if conn.Subprotocol() != "jsonrpc" {
		t.Errorf("the subprotocol is %q, want jsonrpc", conn.Subprotocol())
	}
	ask[[]api.Container](newWire(t, conn), "list", nil)
}

func TestTheUnixSocketNeedsNoToken(t *testing.T) {
	d := startDaemon(t)
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("unix", d.socket()) }}
	conn, resp, err := dialer.Dial("ws://localhost/", nil)
	if err != nil {
		t.Fatalf("%v (%v)", err, resp)
	}
	ask[[]api.Container](newWire(t, conn), "list", nil)
}
