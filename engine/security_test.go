package engine

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

func TestAContainerCannotDoWhatItsProfileForbids(t *testing.T) {
	f := setUp(t)
	root, user := f.build("root"), f.build("user", "USER 1000")
	strict := api.CreateParams{Image: user, Profile: profileStrict}
	var attacks sync.WaitGroup
	for _, c := range []struct {
		p       api.CreateParams
		command []string
		want    []string
	}{
		{api.CreateParams{Image: root}, []string{"caps"}, []string{"CapEff:\t00000000800405fb", "NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t0"}},
		{strict, []string{"caps"}, []string{"CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t1000"}},
		{api.CreateParams{Image: root}, []string{"mount"}, []string{"mount: refused"}},
		{api.CreateParams{Image: root}, []string{"mknod"}, []string{"mknod: refused"}},
		{api.CreateParams{Image: root}, []string{"rawsock"}, []string{"rawsock: refused"}},
		{api.CreateParams{Image: root, Pids: 40}, []string{"fork", "100"}, []string{"fork after ", "refused"}},
		{strict, []string{"write", "/note", "x"}, []string{"read-only file system"}},
	} {
		attacks.Go(func() {
			got := f.try(c.p, c.command...)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s %v wrote %q, want %q in it", c.p.Profile, c.command, got, want)
				}
			}
		})
	}
	attacks.Wait()
	f.mustBeClean()
}

func TestMemoryIsLimitedSwapIncluded(t *testing.T) {
	f := setUp(t)
	name := f.name("hungry")
	c := f.create(api.CreateParams{Image: f.build("game"), Name: name, Memory: 32 << 20, Restart: "no", Init: ptr(false), Command: []string{"alloc", "200000000"}})
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
