package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// loadProgram compiles package load, once, and gives its path.
var loadProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "load")
	build := exec.Command("go", "build", "-o", path, "./load")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building load: %w\n%s", err, out)
	}
	return path, nil
})

func loadPath(t testing.TB) string {
	t.Helper()
	path, err := loadProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// load is a process with clients of the daemon.
type load struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// load starts a command of package load. It is gone when the test ends.
func (d *daemon) load(t testing.TB, args ...string) *load {
	t.Helper()
	l := &load{t: t, cmd: exec.Command(loadPath(t), args...)}
	l.cmd.Env = append(os.Environ(), "DOCKWIRE_URL="+d.url, "DOCKWIRE_TOKEN="+d.token)
	l.cmd.Stderr = os.Stderr
	in, err := l.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.in, l.out = in, json.NewDecoder(out)
	t.Cleanup(func() {
		in.Close()
		l.cmd.Process.Kill()
		l.cmd.Wait()
	})
	return l
}

// next waits for what the process prints next.
func (l *load) next(value any) {
	l.t.Helper()
	late := time.AfterFunc(2*patience, func() { l.cmd.Process.Kill() })
	defer late.Stop()
	if err := l.out.Decode(value); err != nil {
		l.t.Fatalf("%v: it ended, or printed nothing in %v: %v", l.cmd.Args[1:], 2*patience, err)
	}
}

// createWriter builds the image called writer and makes a container of it that
// writes lines from its start on.
func (w *wire) createWriter(name string, start bool, args ...string) api.Container {
	w.t.Helper()
	program, err := os.ReadFile(loadPath(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	repo := gittest.NewServer(w.t).Repo("writer", nil)
	repo.Write("load", string(program), 0o755)
	repo.Commit(files{"Dockerfile": "FROM scratch\nCOPY load /load\nENTRYPOINT [\"/load\", \"write\"]\n"})
	ask[api.Build](w, "build", []any{"writer", repo.URL})
	return ask[api.Container](w, "create", map[string]any{"image": "writer", "name": name, "port": 0, "start": start, "command": args})
}

// lineNumber gives the number of a line of package load.
func lineNumber(t testing.TB, line api.Line) int {
	t.Helper()
	var n, written int
	if _, err := fmt.Sscanf(line.Text, "%d %d", &n, &written); err != nil {
		t.Fatalf("%q is no line of a writer", line.Text)
	}
	return n
}

// memory gives a figure of /proc/PID/status in bytes: VmRSS is what the daemon
// holds, VmHWM the most that it held since the last resetPeak.
func (d *daemon) memory(t testing.TB, what string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(what + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("%s is not in:\n%s", what, status)
	}
	var kib int
	fmt.Sscan(string(m[1]), &kib)
	return kib << 10
}

func (d *daemon) resetPeak(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// awaitHungUp waits until the daemon has closed its end of the connection, of
// which the other end is addr. Nothing has to be read for that.
func (d *daemon) awaitHungUp(t testing.TB, addr net.Addr) {
	t.Helper()
	u, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	established := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: \S+:%04X \S+:%04X 01 `, port(t, u.Host), port(t, addr.String())))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if !established.Match(table) {
			return
		}
	}
	t.Errorf("the daemon still holds the connection of %v", addr)
}

func port(t testing.TB, hostport string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimSuffix(hostport, "/"))
	if err != nil {
		t.Fatal(err)
	}
	var n int
	fmt.Sscan(port, &n)
	return n
}

// allowFiles sees to it that this process and those that it starts may open n
// files. Go programs raise the soft limit to the hard one by themselves.
func allowFiles(t testing.TB, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max >= n {
		return
	}
	limit.Cur, limit.Max = n, n
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("the test opens %d files at once, and may not: %v; raise the hard limit with ulimit -Hn", n, err)
	}
}
