package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

func TestAnOpenConnectionCanDoNothingOnceItsTokenIsRevoked(t *testing.T) {
	d := runDaemon(t)
	token, secret := d.makeToken(access.Deploy, "*")
	w, admin := d.dialAs(secret), d.dial()
	w.do("list", nil, nil)
	if err := access.RevokeToken(d.StateDir, token.ID); err != nil {
		t.Fatal(err)
	}
	for _, m := range allMethods() {
		err := w.fails(api.CodeForbidden, strings.Replace(m.name, "NAME", "game", 1), nil)
		if !strings.Contains(err.Message, "revoked") {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	w.send(`[{"jsonrpc":"2.0","id":1,"method":"list"},{"jsonrpc":"2.0","id":2,"method":"images"}]`)
	var batch []frame
	if err := json.Unmarshal(w.read(), &batch); err != nil || len(batch) != 2 || batch[0].Error == nil || batch[1].Error == nil {
		t.Errorf("a batch is answered %+v, %v", batch, err)
	}
	admin.do("list", nil, nil)
}

func TestATokenIsRefusedFromTheMomentThatItExpires(t *testing.T) {
	d := runDaemon(t)
	expires := time.Now().Add(4 * time.Second) // until then the stream has to have begun
	_, secret, err := access.CreateToken(d.StateDir, access.Read, access.Names{"*"}, expires)
	if err != nil {
		t.Fatal(err)
	}
	w := d.dialAs(secret)
	f := w.answer(w.call("list", []any{true}), nil)
	if !errors.Is(f.Error, api.CodeForbidden) || !strings.Contains(f.Error.Message, "expired") || time.Now().Before(expires) {
		t.Errorf("the stream ended with %v", f.Error)
	}
	w.fails(api.CodeForbidden, "list", nil)
}

// The streams of a revoked token end by themselves, each with one answer. What
// has begun finishes; what waits is not begun; builds belong to the daemon.
func TestStreamsEndWithTheirToken(t *testing.T) {
	d := runDaemon(t)
	token, secret := d.makeToken(access.Deploy, "*")
	admin, w := d.dial(), d.dialAs(secret)
	r := repo(t, "dapp", "ENV NOT_CACHED="+random(), `RUN ["/probe", "lines", "-n", "20", "-every", "200ms"]`, `CMD ["lines", "-n", "3", "-then", "wait"]`)
	quick := repo(t, "quick", `CMD ["lines", "-n", "3", "-then", "wait"]`)
	app, fast, name := "dapp-"+random(), "quick-"+random(), "done-"+random()
	admin.do("build", []any{fast, quick.URL}, nil)
	admin.do("create", []any{fast, name}, nil)

	streams := map[string]bool{}
	for _, method := range []string{"list", name + "/logs", name + "/top"} {
		streams[fmt.Sprint(w.call(method, map[string]any{"follow": true}))] = true
	}
	build := w.call("build", []any{app, r.URL})
	streams[fmt.Sprint(build)] = true
	waiting := w.call("create", []any{app, name + "-never"}) // waits for the build
	streams[fmt.Sprint(waiting)] = true
	for f := w.next(); f.Method != api.EventBuild; f = w.next() {
		if f.Method == "" {
			t.Fatalf("call %s ended early: %s, %v", f.ID, f.Result, f.Error)
		}
	}
	if err := access.RevokeToken(d.StateDir, token.ID); err != nil {
		t.Fatal(err)
	}
	for len(streams) > 0 {
		f := w.next()
		if f.Method != "" {
			continue
		}
		if f.Error == nil || f.Error.Code != api.CodeForbidden || !strings.Contains(f.Error.Message, "revoked") {
			t.Fatalf("call %s ended with %s, %v", f.ID, f.Result, f.Error)
		}
		if string(f.ID) != fmt.Sprint(waiting) && (f.Error.Data == nil || f.Error.Data.Seq == nil) {
			t.Errorf("the end of stream %s has no seq", f.ID)
		}
		delete(streams, string(f.ID))
	}
	var builds []api.BuildInfo
	admin.do("builds", nil, &builds)
	if builds[0].Name != app || builds[0].State != api.BuildRunning {
		t.Errorf("the build is %+v", builds[0])
	}
	admin.do("build", []any{app, r.URL}, nil) // joins it
	admin.fails(api.CodeMethodNotFound, name+"-never/start", nil)
	admin.do("remove", []any{name}, nil)
	admin.do("removeImage", []any{app}, nil)
	admin.do("removeImage", []any{fast}, nil)
}
