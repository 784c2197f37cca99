package e2e

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// clones gives what the daemon has fetched and not removed.
func (d *daemon) clones(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.dir, "clones", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// awaitNone waits until a command's output has the text no more.
func awaitNone(t *testing.T, text, command string, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		out, err := exec.Command(command, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is still there:\n%s", out)
		}
	}
}

// awaitNoStep waits until neither a process nor a container has the text in its
// command line.
func awaitNoStep(t *testing.T, text string) {
	t.Helper()
	awaitNone(t, text, "ps", "-e", "-o", "args")
	awaitNone(t, text, "docker", "container", "ls", "--all", "--no-trunc", "--format", "{{.ID}} {{.Command}}")
}

// interrupted starts the killed daemon again, and sees that it knows what became
// of its build and has removed what it left.
func (d *daemon) interrupted(t *testing.T) *wire {
	t.Helper()
	d.start(t)
	w := d.connect(t)
	ask[[]api.Container](w, "list", nil) // the engine answers
	if builds := ask[[]api.BuildInfo](w, "builds", nil); len(builds) != 1 || builds[0].State != api.BuildInterrupted {
		t.Errorf("builds answered %+v", builds)
	}
	if left := d.clones(t); len(left) > 0 {
		t.Errorf("clones are left: %v", left)
	}
	leavesNothing(t, d.instance)
	return w
}

func TestADaemonThatIsKilledWhileGitFetchesLeavesNothing(t *testing.T) {
	asked := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	d := startDaemon(t)
	d.connect(t).start("build", []any{"hangs", server.URL + "/x.git"})
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("git did not ask")
	}
	if len(d.clones(t)) != 1 {
		t.Errorf("the clones are %v", d.clones(t))
	}
	d.kill(t)
	awaitNone(t, d.dir, "ps", "-e", "-o", "args")
	d.interrupted(t)
}

func TestADaemonThatIsKilledWhileAStepRunsLeavesNothing(t *testing.T) {
	for _, builder := range []string{"buildkit", "classic"} {
		t.Run(builder, func(t *testing.T) {
			d := startDaemon(t, "--builder", builder)
			step := func(mark string) files {
				return files{"Dockerfile": base + "RUN while :; do echo step " + mark + "; sleep 0.2; done\n"}
			}
			first, second := rand.Text(), rand.Text()
			repo := newRepository(t, step(first))
			d.connect(t).start("build", []any{"interrupted", repo.URL}).until("step " + first)
			d.kill(t)
			awaitNoStep(t, first)
			w := d.interrupted(t)
			repo.Commit(step(second))                                 // of the same step, 20.10 gives no output while it still winds up the one before
			again := w.start("build", []any{"interrupted", repo.URL}) // nothing is locked
			out, _ := again.until("step " + second)
			if info := ask[api.BuildInfo](w, "cancelBuild", []any{out.Build}); info.State != api.BuildCancelled {
				t.Errorf("the build is %s", info.State)
			}
			awaitNoStep(t, second)
			if left := d.clones(t); len(left) > 0 {
				t.Errorf("clones are left: %v", left)
			}
		})
	}
}

func TestACredentialIsForTheRepositoryAlone(t *testing.T) {
	const password = "r3po-s3cr3t"
	d := startDaemon(t)
	server, url := privateRepository(t, files{"Dockerfile": base}, "user", password)
	file := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(file, []byte("user:"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command(binary, "build", "private", url, "--credential-file", file)
	build.Env = append(os.Environ(), "DOCKWIRE_URL="+d.url, "DOCKWIRE_TOKEN="+d.token)
	out, err := build.CombinedOutput()
	if err != nil || len(server.Shown()) == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), password) || strings.Contains(d.log.String(), password) {
		t.Error("the password was shown")
	}
	err = filepath.WalkDir(d.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), password) {
			t.Errorf("the password is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
