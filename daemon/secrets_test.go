package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// A session with marked secrets in all the places where a caller may have some.
// None of them shows up in a log, an error, an output, a file of the daemon's or
// the arguments of a process.
func TestSecretsAreShownNowhere(t *testing.T) {
	secret := map[string]string{}
	for _, kind := range []string{"environment", "argument", "step", "url", "credential", "bearer"} {
		secret[kind] = "marked-" + kind + "-" + random()
	}
	d := runDaemon(t, func(cfg *Config) { cfg.LogLevel = "debug" })
	token, made := d.makeToken(access.Admin, "*")
	secret["token"] = made
	w := d.dialAs(made)
	stop := watchProcesses(t, secret, "step") // who writes an argument into a RUN gives it to the program
	good := repo(t, "good", "ARG TOKEN", `RUN ["/probe", "lines", "-n", "1"]`, `CMD ["lines", "-n", "3", "-then", "wait"]`)
	bad := repo(t, "bad", "ARG TOKEN", "ARG STEP", `RUN ["/probe", "none", "$STEP"]`)
	broken := repo(t, "broken", `ENTRYPOINT ["/none"]`)
	args := map[string]string{"TOKEN": secret["argument"], "STEP": secret["step"]}
	app, broke, name := "dapp-"+random(), "dbroken-"+random(), "done-"+random()
	login := map[string]string{"username": "u", "password": secret["credential"]}

	w.do("build", map[string]any{"name": app, "url": good.URL, "args": args, "credential": login}, nil)
	w.do("build", []any{broke, broken.URL}, nil)
	w.fails(api.CodeBuildFailed, "build", map[string]any{"name": "dbad", "url": bad.URL, "args": args})
	w.fails(api.CodeInvalidParams, "build", map[string]any{"name": "dbad", "url": strings.Replace(good.URL, "://", "://u:"+secret["url"]+"@", 1)})
	w.fails(api.CodeNotFound, "build", map[string]any{"name": "dbad", "url": good.URL + "-none", "args": args, "credential": login})
	environment := map[string]string{"KEY": secret["environment"]}
	w.do("create", map[string]any{"image": app, "name": name, "environment": environment}, nil)
	w.fails(api.CodeConflict, "create", map[string]any{"image": app, "name": name, "environment": environment})
	w.fails(api.CodeNotFound, "create", map[string]any{"image": "dnone", "name": "dtwo", "environment": environment})
	w.fails(api.CodeStartFailed, "create", map[string]any{"image": broke, "name": "dtwo", "environment": environment})
	w.fails(api.CodeInvalidParams, "create", map[string]any{"image": app, "name": "dtwo", "environment": map[string]any{"KEY": []string{secret["environment"]}}})
	w.fails(api.CodeInvalidParams, "create", map[string]any{"image": app, "name": "dtwo", "environment": secret["environment"]})
	w.fails(api.CodeInvalidParams, "create", map[string]any{"image": app, "name": "dtwo", "environment": map[string]string{"KEY": secret["environment"] + "\x00"}})
	w.do(name+"/restart", map[string]any{"timeout": 0}, nil)
	for _, method := range []string{"list", "images", "builds", name + "/image", name + "/logs", name + "/top", name + "/diff", "rpc.discover"} {
		w.do(method, nil, nil)
	}
	if status := upgradeStatus(t, d.URL, "localhost", "", "Bearer "+secret["bearer"]); status != 401 {
		t.Errorf("a wrong token: %d", status)
	}
	if status := upgradeStatus(t, d.URL, "localhost", "", "query "+made); status != 401 {
		t.Errorf("a token in the URL: %d", status)
	}
	showsNone(t, secret, "an answer", w.seen.String())
	d.inspectsByScope(t, name, secret["environment"])
	w.do("remove", []any{name}, nil)
	w.do("removeImage", []any{app}, nil)
	w.do("removeImage", []any{broke}, nil)
	if err := access.RevokeToken(d.StateDir, token.ID); err != nil {
		t.Fatal(err)
	}
	w.fails(api.CodeForbidden, "list", nil)
	d.stop()
	stop()
	showsNone(t, secret, "the log", d.log.String())
	showsNone(t, map[string]string{"admin token": d.Token}, "the log", d.log.String())
	err := filepath.WalkDir(d.StateDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		showsNone(t, secret, path, string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func showsNone(t *testing.T, secret map[string]string, where, text string) {
	t.Helper()
	for kind, value := range secret {
		if i := strings.Index(text, value); i >= 0 {
			t.Errorf("%s shows the secret %s: %s", where, kind, text[max(0, i-300):min(len(text), i+100)])
		}
	}
}

// watchProcesses looks at the arguments of all processes again and again, until
// it is stopped.
func watchProcesses(t *testing.T, secret map[string]string, but string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
			if err != nil {
				t.Error(err)
			}
			for _, path := range paths {
				data, _ := os.ReadFile(path) // the process may have ended
				for kind, value := range secret {
					if kind != but && strings.Contains(string(data), value) {
						t.Errorf("a process has the secret %s among its arguments: %q", kind, data)
					}
				}
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// inspectsByScope wants the values of the environment to be shown to those who
// may create, and the engine's own document to the admin.
func (d *testDaemon) inspectsByScope(t *testing.T, name, value string) {
	t.Helper()
	for _, test := range []struct {
		scope          access.Scope
		values, engine bool
	}{{access.Read, false, false}, {access.Deploy, true, false}, {access.Admin, true, true}} {
		_, made := d.makeToken(test.scope, "d*")
		w := d.dialAs(made)
		var doc api.Inspect
		w.do(name+"/inspect", nil, &doc)
		for _, key := range []string{"KEY", "PORT"} {
			if got, ok := doc.Configuration.Environment[key]; !ok || (got != nil) != test.values {
				t.Errorf("%s sees %s: %v", test.scope, key, got)
			}
		}
		if (doc.Engine != nil) != test.engine {
			t.Errorf("%s sees the engine's document: %s", test.scope, doc.Engine)
		}
		if got := strings.Contains(w.seen.String(), value); got != test.values {
			t.Errorf("%s sees the secret: %v", test.scope, got)
		}
	}
}

// What docs/security.md says of build arguments: those of the last stage are in
// the image's history, for whoever may ask the engine; those of earlier stages
// are not in the image at all.
func TestAnArgumentOfAnEarlierStageIsNotInTheImage(t *testing.T) {
	for _, builder := range []string{"buildkit", "classic"} {
		t.Run(builder, func(t *testing.T) {
			d := runDaemon(t, func(cfg *Config) { cfg.Builder = builder })
			w, name := d.dial(), "dapp-"+random()
			early, late := "marked-early-"+random(), "marked-late-"+random()
			r := repo(t, "stages", "ARG EARLY", `RUN ["/probe", "lines", "-n", "1"]`, "FROM scratch", "COPY --from=0 /probe /probe", "ARG LATE", `RUN ["/probe", "lines", "-n", "1"]`)
			w.do("build", map[string]any{"name": name, "url": r.URL, "args": map[string]string{"EARLY": early, "LATE": late}}, nil)
			history, err := enginetest.Client(t).ImageHistory(t.Context(), "localhost/dockwire/"+name)
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, layer := range history {
				all.WriteString(layer.CreatedBy)
			}
			if strings.Contains(all.String(), early) {
				t.Errorf("it is in the history: %s", &all)
			}
			if !strings.Contains(all.String(), late) {
				t.Errorf("the documentation is wrong: an argument of the last stage is not in the history: %s", &all)
			}
			showsNone(t, map[string]string{"early": early, "late": late}, "an answer", w.seen.String())
			w.do("removeImage", []any{name}, nil)
		})
	}
}
