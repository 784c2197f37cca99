package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/rpc"
)

// tells reads until the answer to a call, and gives it with the lines that were
// told before, whose numbers it checks.
func (w *wire) tells(event string, id int) (f frame, lines []string) {
	w.t.Helper()
	f = w.answer(id, func(method string, params json.RawMessage) {
		var out api.ProgressOutput
		if err := json.Unmarshal(params, &out); err != nil || method != event {
			w.t.Errorf("%s %s: %v", method, params, err)
		}
		for _, line := range out.Lines {
			if line.Stream != api.Progress || line.Time.IsZero() {
				w.t.Errorf("a line is %+v", line)
			}
			lines = append(lines, line.Text)
		}
		if out.Seq != int64(len(lines)) {
			w.t.Errorf("%d lines have come, and seq is %d", len(lines), out.Seq)
		}
	})
	return f, lines
}

func TestAnUpdateFollowsTheBuildThatWasAskedForBefore(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	image, name := "game-"+random(), "web-"+random()
	r := repo(t, "app", `CMD ["serve"]`)
	w.do("build", []any{image, r.URL}, nil)
	var old api.Container
	w.do("create", []any{image, name}, &old)
	r.Commit(map[string]string{"Dockerfile": "FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\"]\nCMD [\"serve\"]\nENV NEW=1\n"})
	w.call("build", []any{image, r.URL})
	f, _ := w.tellsAfterBuild(w.call(name+"/update", nil))
	var updated api.Container
	if err := json.Unmarshal(f.Result, &updated); err != nil || updated.ID == old.ID || updated.Commit == old.Commit {
		t.Errorf("the update gave %s, %v", f.Result, f.Error)
	}
	f, lines := w.tells(api.EventRollback, w.call(name+"/rollback", nil))
	var back api.Container
	if err := json.Unmarshal(f.Result, &back); err != nil || back.ID != old.ID || !strings.Contains(strings.Join(lines, "\n"), "Starting the previous container") {
		t.Errorf("the rollback gave %s, %v, and told %q", f.Result, f.Error, lines)
	}
	w.do("remove", []any{name}, nil)
	w.fails(api.CodeMethodNotFound, name+"/update", nil)
	w.fails(api.CodeMethodNotFound, name+"/rollback", nil)
	w.do("removeImage", []any{image}, nil)
}

// tellsAfterBuild is tells with the output of a build in between.
func (w *wire) tellsAfterBuild(id int) (frame, []string) {
	w.t.Helper()
	var lines []string
	f := w.answer(id, func(method string, params json.RawMessage) {
		if method == api.EventUpdate {
			lines = append(lines, string(params))
		}
	})
	if len(lines) == 0 {
		w.t.Error("the update told nothing")
	}
	return f, lines
}

func TestAnUpdateThatFailsSaysWhy(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	image, broken, name := "game-"+random(), "broken-"+random(), "web-"+random()
	w.do("build", []any{image, repo(t, "app", `CMD ["serve"]`).URL}, nil)
	w.do("build", []any{broken, repo(t, "broken", `ENTRYPOINT ["/probe", "serve", "-port", "none"]`).URL}, nil)
	var old, still api.Container
	w.do("create", []any{image, name}, &old)
	f, lines := w.tells(api.EventUpdate, w.call(name+"/update", []any{broken}))
	if f.Error == nil || f.Error.Code != api.CodeStartFailed || f.Error.Data.ExitCode == nil || *f.Error.Data.ExitCode != 1 ||
		*f.Error.Data.Seq != int64(len(lines)) || !slices.ContainsFunc(f.Error.Data.Lines, func(l api.Line) bool { return strings.Contains(l.Text, "probe serve") }) {
		t.Errorf("the update gave %s, %v, %+v", f.Result, f.Error, f.Error.Data)
	}
	w.do(name+"/start", nil, &still)
	if still != old {
		t.Errorf("it is %+v, was %+v", still, old)
	}
	if e := w.fails(api.CodeNotFound, name+"/rollback", nil); e.Data.Kind != "previous" {
		t.Errorf("a rollback of what was not updated: %v, %+v", e, e.Data)
	}
	w.do("remove", []any{name}, nil)
	w.do("removeImage", []any{image}, nil)
	w.do("removeImage", []any{broken}, nil)
}

func TestAnUpdateThatHasBegunEndsWhateverBecomesOfItsCaller(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	image, name := "game-"+random(), "web-"+random()
	w.do("build", []any{image, repo(t, "app", `CMD ["serve", "-delay", "1s"]`).URL}, nil)
	var first, second, third api.Container
	w.do("create", []any{image, name}, &first)
	id := w.call(name+"/update", nil)
	for f := w.next(); f.Method != api.EventUpdate; f = w.next() {
	}
	w.do("$/cancelRequest", map[string]any{"id": id}, nil) // it has begun
	w.do(name+"/start", nil, &second)                      // waits for it
	if second.ID == first.ID {
		t.Error("a cancel has ended an update that had begun")
	}
	leaver := d.dial()
	leaver.call(name+"/update", nil)
	leaver.next()
	leaver.ws.Close()
	w.send(`{"jsonrpc":"2.0","method":"` + name + `/update"}`)
	w.do(name+"/start", nil, &third)
	if third.ID == second.ID {
		t.Error("a caller that went away has ended an update that had begun")
	}
	w.do("remove", []any{name}, nil)
	w.do("removeImage", []any{image}, nil)
}

func TestAnUpdateTakesNoImageThatItsTokenIsNotFor(t *testing.T) {
	d := runDaemon(t)
	admin := d.dial()
	image, name := "game-"+random(), "web-"+random()
	admin.do("build", []any{image, repo(t, "app", `CMD ["serve"]`).URL}, nil)
	admin.do("create", []any{image, name}, nil)
	_, secret := d.makeToken(access.Deploy, "web-*")
	w := d.dialAs(secret)
	w.fails(api.CodeForbidden, name+"/update", nil)
	w.fails(api.CodeForbidden, name+"/update", []any{image})
	admin.do("remove", []any{name}, nil)
	admin.do("removeImage", []any{image}, nil)
}

// late is an engine that gets to know its one container when it is waited for.
type late struct {
	Engine
	known   bool
	updated bool
}

func (e *late) Up() bool { return e.known }

func (e *late) Container(string) (api.Container, bool) { return api.Container{}, e.known }

func (e *late) NewestImage(string) (string, bool) { return "hidden", e.known }

func (e *late) Containers(context.Context) ([]api.Container, error) {
	e.known = true
	return nil, nil
}

func (e *late) Update(context.Context, string, api.UpdateParams, func(string)) (api.Container, error) {
	e.updated = true
	return api.Container{}, nil
}

func TestAnUpdateBeforeTheContainersAreKnownAsksForItsTokenToo(t *testing.T) {
	e := &late{}
	d := &Daemon{engine: e, order: newOrderer()}
	c := &call{Call: &rpc.Call{}, method: allMethods()["NAME/update"], name: "game", caller: access.Caller{ID: "x", Scope: access.Deploy, Names: access.Names{"game*"}}}
	job, err := c.method.accept(d, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := job.Run(t.Context()); !errors.Is(err, api.CodeForbidden) || e.updated {
		t.Errorf("it is updated: %v, %v", e.updated, err)
	}
}
