package engine

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/dockwire/dockwire/client/api"
)

var tries atomic.Int32

// try runs the probe with a command and gives what it writes.
func (f *fixture) try(p api.CreateParams, command ...string) string {
	f.t.Helper()
	p.Command, p.Restart = command, "no"
	p.Name = f.name(fmt.Sprint("try", tries.Add(1)))
	c := f.create(p)
	defer f.remove(p.Name, false)
	return f.output(c.ID, "")
}

// exec runs a command of the probe in a container that runs, and gives what it
// writes.
func (f *fixture) exec(id string, command ...string) string {
	f.t.Helper()
	return f.execAny(id, append([]string{"/probe"}, command...)...)
}

// execAny is exec for any command.
func (f *fixture) execAny(id string, command ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	made, err := f.docker.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		f.t.Fatal(err)
	}
	conn, err := f.docker.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	var out strings.Builder
	if _, err := stdcopy.StdCopy(&out, &out, conn.Reader); err != nil {
		f.t.Fatal(err)
	}
	return out.String()
}

// An attack is what is tried inside a container, and what of its output shows
// that it failed.
type attack struct {
	row     string // of the table in docs/security.md
	command []string
	want    []string
}

var attacks = []attack{
	{"capabilities", []string{"mount"}, []string{"mount: refused"}},
	{"capabilities", []string{"mknod"}, []string{"mknod: refused"}},
	{"capabilities", []string{"rawsock"}, []string{"rawsock: refused"}},
	{"capabilities", []string{"ptrace"}, []string{"operation not permitted"}},
	{"seccomp", []string{"unshare"}, []string{"unshare: refused"}},
	{"seccomp", []string{"caps"}, []string{"NoNewPrivs:\t1", "Seccomp:\t2"}},
	{"masked paths", []string{"write", "/proc/sys/kernel/core_pattern", "|/probe"}, []string{"read-only file system"}},
	{"masked paths", []string{"write", "/sys/kernel/uevent_helper", "/probe"}, []string{"read-only file system"}},
	{"ulimits", []string{"show", "/proc/self/limits"}, []string{"Max open files            8192                 8192 ", "Max core file size        0                    0 "}},
	{"shm", []string{"show", "/proc/self/mounts"}, []string{"/dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k"}},
	{"OOM score", []string{"show", "/proc/self/oom_score_adj"}, []string{"500\n"}},
	{"host mounts", []string{"dial", "unix:/var/run/docker.sock", "unix:/run/docker.sock"}, []string{"docker.sock: refused"}},
}

var attacksOnDefault = []attack{
	{"capabilities", []string{"caps"}, []string{"CapEff:\t00000000800405fb", "CapBnd:\t00000000800405fb", "Uid:\t0\t0"}},
	{"no-new-privileges", []string{"setuid"}, []string{"Uid:\t1000\t1000\t1000\t1000", "CapEff:\t0000000000000000"}},
}

var attacksOnStrict = []attack{
	{"capabilities", []string{"caps"}, []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"}},
	{"user", []string{"caps"}, []string{"Uid:\t1000\t1000\t1000\t1000", "Gid:\t1000"}},
	{"root file system", []string{"write", "/note", "x"}, []string{"read-only file system"}},
	{"root file system", []string{"runcopy", "/tmp/probe"}, []string{"runcopy /tmp/probe: refused: fork/exec /tmp/probe: permission denied"}},
	{"root file system", []string{"runcopy", "/dev/shm/probe"}, []string{"refused"}},
	{"root file system", []string{"show", "/proc/self/mounts"}, []string{"/tmp tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k", "/run tmpfs rw,nosuid,nodev,noexec,relatime,size=16384k"}},
}

func TestWhatAProfileForbidsIsTriedInVain(t *testing.T) {
	f := setUp(t)
	for _, c := range []struct {
		p     api.CreateParams
		tried []attack
	}{
		{api.CreateParams{Image: f.build("root"), Name: f.name("root")}, slices.Concat(attacks, attacksOnDefault)},
		{api.CreateParams{Image: f.build("user", "USER 1000:1000"), Name: f.name("user"), Profile: profileStrict}, slices.Concat(attacks, attacksOnStrict)},
	} {
		made := f.create(c.p)
		for _, a := range c.tried {
			got := f.exec(made.ID, a.command...)
			for _, want := range a.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s %s: %v wrote %q, want %q in it", c.p.Name, a.row, a.command, got, want)
				}
			}
		}
		f.remove(c.p.Name, false)
	}
	f.mustBeClean()
}

func TestProcessesOfOthersAreNeitherSeenNorTouched(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	victim := f.create(api.CreateParams{Image: image, Name: f.name("victim")})
	attacker := f.create(api.CreateParams{Image: image, Name: f.name("attacker")})
	inspect, err := f.docker.ContainerInspect(t.Context(), victim.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.exec(attacker.ID, "ptrace", strconv.Itoa(inspect.State.Pid)); !strings.Contains(got, "refused: no such process") {
		t.Errorf("it wrote %q", got)
	}
	command := []string{"show"}
	var ours strings.Builder
	for _, namespace := range []string{"pid", "ipc", "cgroup", "mnt", "net", "uts"} {
		file := "/proc/self/ns/" + namespace
		link, err := os.Readlink(file)
		if err != nil {
			t.Fatal(err)
		}
		command = append(command, file)
		ours.WriteString(link + "\n")
	}
	its := f.exec(attacker.ID, command...)
	for _, others := range []string{ours.String(), f.exec(victim.ID, command...)} {
		for i, namespace := range strings.Fields(others) {
			if strings.Fields(its)[i] == namespace {
				t.Errorf("a namespace is shared: %s", namespace)
			}
		}
	}
}

func TestAForkBombEndsAtThePidsLimit(t *testing.T) {
	f := setUp(t)
	if got := f.try(api.CreateParams{Image: f.build("bomb"), Pids: 40}, "fork", "100"); !strings.Contains(got, "fork after ") || !strings.Contains(got, "refused") {
		t.Errorf("it wrote %q", got)
	}
}

func TestALogTakesNoMoreThanItsFiles(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("loud"), Name: f.name("loud"), Restart: "no", Command: []string{"lines", "-n", "5000", "-size", "10000"}})
	f.until("the end", func() bool { now, _ := f.Container(c.Name); return now.State == api.StateExited })
	inspect, err := f.docker.ContainerInspect(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(inspect.LogPath + "*")
	total := int64(0)
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			total += info.Size()
		}
	}
	if len(files) != logFiles || total > logFiles*(logFileSize+64<<10) {
		t.Errorf("50 MB of output take %d bytes in %v", total, files)
	}
}

func TestMemoryIsLimitedSwapIncluded(t *testing.T) {
	f := setUp(t)
	name := f.name("hungry")
	// The engine misses a kill in the first moments of a container.
	c := f.create(api.CreateParams{Image: f.build("game"), Name: name, Memory: 32 << 20, Restart: "no", Init: ptr(false), Command: []string{"alloc", "200000000", "500ms"}})
	if got := f.output(c.ID, ""); strings.Contains(got, "allocated") {
		t.Errorf("it wrote %q", got)
	}
	f.until("the kill", func() bool {
		c, _ := f.Container(name)
		return c.State == api.StateExited && c.OOMKilled && c.ExitCode == 137
	})
}

func TestAStrictContainerWritesToItsTmpfsOnly(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game", "USER 1000"), Name: f.name("strict"), Profile: profileStrict, Command: []string{"write", "/tmp/note", "x"}}
	if got := f.output(f.create(p).ID, "written"); !strings.Contains(got, "written") {
		t.Errorf("it wrote %q", got)
	}
	inspect, err := f.Inspect(t.Context(), p.Name, false)
	if err != nil || !inspect.Network.Internal || !inspect.Security.ReadOnly || len(inspect.Security.Capabilities) != 0 || inspect.Security.User != "1000" {
		t.Errorf("inspect answers %+v, %v", inspect, err)
	}
}

func TestAppsAreCutOffUnlessTheyShareANetwork(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	alone := f.create(api.CreateParams{Image: image, Name: f.name("alone"), Command: []string{"serve"}})
	shared := f.create(api.CreateParams{Image: image, Name: f.name("shared"), Command: []string{"serve"}, Network: "shop"})
	f.output(alone.ID, "serving")
	f.output(shared.ID, "serving")
	var dials sync.WaitGroup
	for _, c := range []struct{ network, target, want string }{
		{"", addrOf(f, alone.Domain).String(), "refused"},
		{"", addrOf(f, shared.Domain).String(), "refused"},
		{"", alone.Name + ":8080", "refused"},
		{"shop", addrOf(f, alone.Domain).String(), "refused"},
		{"shop", shared.Name + ":8080", "allowed"},
	} {
		dials.Go(func() {
			if got := f.try(api.CreateParams{Image: image, Network: c.network}, "dial", c.target); !strings.Contains(got, "dial "+c.target+": "+c.want) {
				t.Errorf("from the network %q: %q, want %s", c.network, got, c.want)
			}
		})
	}
	dials.Wait()
	for _, c := range []api.Container{alone, shared} {
		conn, err := net.DialTimeout("tcp", addrOf(f, c.Domain).String(), 3*time.Second)
		if err != nil {
			t.Errorf("the host does not reach %s: %v", c.Name, err)
			continue
		}
		conn.Close()
	}
	_, err := f.Create(t.Context(), api.CreateParams{Image: f.build("user", "USER 1000"), Name: f.name("strict"), Network: "shop", Profile: profileStrict}, "")
	wantClass(t, err, Conflict, "another profile")
	f.remove(alone.Name, false)
	if left := f.left(t.Context()); !slices.Contains(left, "network "+f.engineName(kindShared, "shop")) {
		t.Errorf("the shared network went with a container that is not in it: %v", left)
	}
	f.remove(shared.Name, false)
	f.mustBeClean()
}

func TestASubnetIsUsedAgainAfterRemove(t *testing.T) {
	f := setUp(t)
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	first := f.create(p)
	address := addrOf(f, first.Domain)
	f.remove(p.Name, false)
	second := f.create(p)
	if second.ID == first.ID || addrOf(f, second.Domain) != address {
		t.Errorf("the second has %v, the first had %v", addrOf(f, second.Domain), address)
	}
}
