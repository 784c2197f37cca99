package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

func (w *workshop) run1(name, step string) (*transcript, error) {
	w.t.Helper()
	repo := w.Repo(name, map[string]string{"Dockerfile": "FROM " + w.base + "\nRUN " + step + "\n"})
	_, out, err := w.try(api.BuildParams{Name: w.name(name), URL: repo.URL, NoCache: true})
	return out, err
}

func TestAStepCannotTakeTheHostsProcesses(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		w.cfg.BuildLimits.Pids = 60
		out, err := w.run1("forks", `["/probe", "fork", "200", "1m"]`)
		if err != nil {
			t.Fatal(err)
		}
		out.wants(t, "refused: ")
	})
}

func TestAStepCannotTakeTheHostsMemory(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		w.cfg.BuildLimits.Memory = 64 << 20
		out, err := w.run1("hog", `["/probe", "alloc", "200000000"]`)
		failed := wantClass(t, err, BuildFailed, "137")
		if failed.Data.ExitCode == nil || *failed.Data.ExitCode != 137 || !strings.Contains(failed.Reason, "64MiB") {
			t.Errorf("it failed with %s", failed.Reason)
		}
		if strings.Contains(fmt.Sprint(out.lines), "allocated") {
			t.Error("it had the memory")
		}
	})
}

func TestAStepHasTheUlimitsAndTheSharedMemoryOfABuild(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("limits", map[string]string{"Dockerfile": "FROM " + w.base + "\n" + `RUN ["/probe", "lines", "-every", "47ms"]` + "\n"})
		p, err := w.CheckBuild(api.BuildParams{Name: w.name("limits"), URL: repo.URL})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		out := newTranscript()
		unbounded := make(chan string, 1)
		go func() {
			defer cancel()
			for line := range out.said {
				if line == "stdout line 000001" {
					unbounded <- lacks(t, "probe lines -every 47ms", `Max open files +8192 +8192 `, `Max core file size +0 +0 `, `/dev/shm tmpfs \S+size=65536k`)
					return
				}
			}
		}()
		if _, err := w.Build(ctx, p, w.name("b1"), out); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if missing := <-unbounded; missing != "" {
			t.Error(missing)
		}
	})
}

// lacks waits until the limits and the mounts of the process with a command line
// match all patterns: a step gets them a moment after it began. It says which one
// it waits for in vain.
func lacks(t *testing.T, command string, patterns ...string) (missing string) {
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); time.Sleep(time.Millisecond) {
		text := ofProcess(t, command, "limits", "mounts")
		i := slices.IndexFunc(patterns, func(want string) bool { return !regexp.MustCompile(want).MatchString(text) })
		if i < 0 {
			return ""
		}
		missing = fmt.Sprintf("no %q in\n%s", patterns[i], text)
	}
	return missing
}

// ofProcess gives files that the kernel keeps of the process with a command line.
func ofProcess(t *testing.T, command string, files ...string) (text string) {
	pid, err := exec.Command("pgrep", "--newest", "--full", command).Output()
	if err != nil {
		t.Errorf("no process %q: %v", command, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), file))
		if err != nil {
			t.Error(err)
		}
		text += string(data)
	}
	return text
}

func TestABuildThatTakesTooLongIsStopped(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		w.cfg.BuildLimits.Time = 3 * time.Second
		_, err := w.run1("long", `["/probe", "lines", "-every", "47ms"]`)
		if late := wantClass(t, err, BuildFailed, "more than 3s"); late.Data.Limit != "build.time" {
			t.Errorf("the limit is %s", late.Data.Limit)
		}
		w.mustBeIdle()
		w.mustBeClean()
	})
}

// TestAClassicStepIsCutOffFromTheHost has a step dial a service of the host that
// listens everywhere.
func TestAClassicStepIsCutOffFromTheHost(t *testing.T) {
	lis, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	go func() {
		if conn, err := lis.Accept(); err == nil {
			conn.Close()
			t.Error("the host was reached")
		}
	}()
	_, port, _ := net.SplitHostPort(lis.Addr().String())
	w := newWorkshop(t, "classic")
	out, err := w.run1("dial", fmt.Sprintf(`["/probe", "dial", "%s"]`, net.JoinHostPort(hostAddress(t), port)))
	if err != nil {
		t.Fatal(err)
	}
	out.wants(t, "dial "+hostAddress(t)+":"+port+": refused")
	w.mustBeClean()
}

// hostAddress gives an address of this host that is not loopback.
func hostAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	t.Fatal("this host has no address but loopback")
	return ""
}

// TestAProgramCannotNameAnotherContainer has a step write what the classic
// builder writes before it starts a step.
func TestAProgramCannotNameAnotherContainer(t *testing.T) {
	w := newWorkshop(t, "classic")
	victim := w.create(api.CreateParams{Image: w.name("probe"), Name: w.name("victim"), Pids: 300})
	line := fmt.Sprintf("\n ---> Running in %s\n", victim.ID[:12])
	if _, err := w.run1("forger", fmt.Sprintf(`["/probe", "bytes", "stdout", "%x"]`, line)); err != nil {
		t.Fatal(err)
	}
	found, err := w.docker.ContainerInspect(t.Context(), victim.ID)
	if err != nil || *found.HostConfig.PidsLimit != 300 {
		t.Errorf("its limit is %v, %v", found.HostConfig.PidsLimit, err)
	}
}
