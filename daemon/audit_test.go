package daemon

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// auditLine is a line about a call.
type auditLine struct {
	TS, Logger, Msg, Peer, Token, Method, Name string
	Code                                       int
	Took                                       *float64
}

// auditLines gives the lines about calls of a token, once there are as many.
func (d *testDaemon) auditLines(token string, n int) (lines []auditLine) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); len(lines) < n; time.Sleep(time.Millisecond) {
		lines = nil
		for text := range strings.Lines(d.log.String()) {
			var line auditLine
			if json.Unmarshal([]byte(text), &line) == nil && line.Logger == "audit" && line.Msg == "call" && line.Token == token {
				lines = append(lines, line)
			}
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%d lines of %d:\n%s", len(lines), n, d.log.String())
		}
	}
	return lines
}

func TestEachCallLeavesOneLineInTheAudit(t *testing.T) {
	d := runDaemon(t)
	token, secret := d.makeToken(access.Deploy, "game*")
	w := d.dialAs(secret)
	long := "game" + strings.Repeat("x", 100_000)
	w.do("list", nil, nil)
	w.fails(api.CodeNotFound, "create", map[string]any{"image": "game", "name": "game1", "environment": map[string]string{"KEY": "s3cret"}})
	w.fails(api.CodeForbidden, "remove", []any{"other"})
	w.fails(api.CodeForbidden, "other/logs", nil)
	w.fails(api.CodeMethodNotFound, "game1/stop", nil)
	w.fails(api.CodeMethodNotFound, "s3cret\n", nil)
	w.fails(api.CodeInvalidParams, "remove", []any{7})
	w.fails(api.CodeNotFound, "cancelBuild", []any{"b17d"})
	w.fails(api.CodeInvalidParams, "create", []any{"game", long})
	w.fails(api.CodeMethodNotFound, long, nil)
	follow := w.call("list", []any{true})
	w.next()
	w.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[%d]}`, follow))
	w.answer(follow, nil)

	lines := d.auditLines(token.ID, 12)
	var got []string
	for _, line := range lines {
		got = append(got, fmt.Sprintf("%s %s %d", line.Method, line.Name, line.Code))
		if line.TS == "" || line.Took == nil || *line.Took < 0 || !strings.HasPrefix(line.Peer, "127.0.0.1:") {
			t.Errorf("the line is not whole: %+v", line)
		}
	}
	short := long[:128] + "…"
	want := []string{"list  0", "create game1 -32001", "remove other -32003", "NAME/logs other -32003", "NAME/stop game1 -32601", "s3cret\n  -32601",
		"remove  -32602", "cancelBuild b17d -32001", "create " + short + " -32602", short + "  -32601", "$/cancelRequest  0", "list  -32800"}
	slices.Sort(got) // a line comes after the answer, when the next call may be on its way
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the audit says\n%q\nwant\n%q", got, want)
	}
	if strings.Contains(d.log.String(), "KEY") {
		t.Error("the audit has parameters")
	}
	w.send(`{"jsonrpc":"2.0","method":"list"}`)
	d.auditLines(token.ID, 13)
}
