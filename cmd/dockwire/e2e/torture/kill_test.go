package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// slaughter is a daemon that is killed again and again, at a request that it
// makes.
type slaughter struct {
	*testing.T
	*daemon
	engine *engine
	chance *rand.Rand
	git    *faults.Proxy // the daemon's way to the git server
	url    string        // of a repository there
	name   string        // of what the operation at hand works on
	cursor string        // of the build at hand, as far as it came

	slowest time.Duration // from a start until nothing was half-made
}

// TestAKilledDaemonLeavesEveryNameAbsentOrUsable kills the daemon at requests
// that its operations make: of each operation at any of them, before the server
// gets it, or when it has done what it says, before the daemon learns so.
func TestAKilledDaemonLeavesEveryNameAbsentOrUsable(t *testing.T) {
	s := newSlaughter(t)
	requests := map[string]int{}
	for _, o := range operations {
		requests[o.name] = s.count(o)
	}
	t.Logf("requests of each operation: %v", requests)
	hit, before := 0, time.Now()
	for n := range scale().kills {
		o := operations[n%len(operations)]
		at := s.chance.IntN(requests[o.name])
		answered := s.chance.IntN(2) == 1
		if s.killAt(o, at, answered) {
			hit++
		}
		if t.Failed() {
			t.Fatalf("that was kill %d: %s at request %d of %d, answered %v", n+1, o.name, at+1, requests[o.name], answered)
		}
	}
	t.Logf("%d kills in %v, %d of them in the middle of the operation; longest from ready until nothing was half-made: %v",
		scale().kills, time.Since(before).Round(time.Second), hit, s.slowest)
}

func newSlaughter(t *testing.T) *slaughter {
	s := &slaughter{T: t, engine: startEngine(t, ""), chance: rand.New(rand.NewPCG(*seed, 1))}
	server := gittest.NewServer(t)
	s.git = faults.New(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Host)
	})
	front := httptest.NewServer(s.git)
	t.Cleanup(front.Close)
	s.url = front.URL + strings.TrimPrefix(repository(t, server, "app", "RUN [\"/probe\", \"lines\", \"-n\", \"20\", \"-every\", \"5ms\"]\nCMD [\"serve\"]\n"), server.URL)
	s.daemon = s.engine.startDaemon()
	build(t, s.client(), "app", "CMD [\"serve\"]\n")
	return s
}

// through gives the proxy that sees the operation's requests.
func (s *slaughter) through(o operation) *faults.Proxy {
	if o.fetches {
		return s.git
	}
	return s.engine.proxy.Proxy
}

// count lets an operation pass, and gives how many requests it makes.
func (s *slaughter) count(o operation) int {
	s.Helper()
	s.name = "counted-" + o.name
	o.given(s)
	seen := make(chan struct{}, 1000)
	s.through(o).Inject(0, faults.Rule{Before: func() { seen <- struct{}{} }})
	if err := o.do(s); err != nil {
		s.Fatalf("%s: %v", o.name, err)
	}
	s.through(o).Inject(0)
	s.tidyUp()
	return len(seen)
}

// killAt kills the daemon in the middle of the operation and starts it again. If
// the operation got to its end before, it is killed then, and what the caller
// was told has to hold.
func (s *slaughter) killAt(o operation, at int, answered bool) (hit bool) {
	s.Helper()
	s.name, s.cursor = fmt.Sprintf("n%d-%s", s.chance.IntN(1e6), o.name), ""
	o.given(s)
	var struck atomic.Bool
	victim := s.process
	strike := func() {
		struck.Store(true)
		victim.kill()
	}
	rule := faults.Rule{Skip: at, Times: 1, Before: strike, Lose: true}
	if answered {
		rule = faults.Rule{Skip: at, Times: 1, After: strike, Cut: true}
	}
	s.through(o).Inject(*seed, rule)
	err := o.do(s)
	hit = struck.Load()
	s.kill()
	s.through(o).Inject(0)

	s.start()
	s.nothingHalfMade()
	if err == nil {
		s.asTold(o)
	}
	o.survives(s)
	s.tidyUp()
	return hit
}

// tidyUp removes what the operation has made, and sees that nothing of it is
// left.
func (s *slaughter) tidyUp() {
	s.Helper()
	s.removeIt()
	s.nothingLeft()
}

// removeIt removes what has the name at hand, which nothing may prevent.
func (s *slaughter) removeIt() {
	s.Helper()
	c := s.client()
	defer c.Close()
	if s.find(c) != nil {
		must[api.Container](s)(c.Remove(s.Context(), api.RemoveParams{Name: s.name, Volumes: true}))
	}
	for _, image := range must[[]api.Image](s)(c.Images(s.Context())) {
		if image.Name == s.name {
			must[api.Image](s)(c.RemoveImage(s.Context(), s.name))
		}
	}
}

func (s *slaughter) nothingLeft() {
	s.Helper()
	if left := s.labelled(nil); len(left.volumes)+len(left.containers)+len(left.networks) > 0 {
		s.Errorf("after %s is left: %+v", s.name, left)
	}
}

// find gives the container at hand, nil if there is none.
func (s *slaughter) find(c *client.Client) *api.Container {
	s.Helper()
	for _, container := range must[[]api.Container](s)(c.List(s.Context())) {
		if container.Name == s.name {
			return &container
		}
	}
	return nil
}

// objects are what the engine has with the label of the daemon's, by the names
// that it has for them, but for containers that are kept for a rollback.
type objects struct{ containers, networks, volumes, domains []string }

// labelled gives the objects; kept are the ids of those that inspect calls the
// previous ones.
func (s *slaughter) labelled(kept []string) objects {
	s.Helper()
	ours := filters.NewArgs(filters.Arg("label", "io.dockwire.instance="+instance))
	var found objects
	for _, c := range must[[]container.Summary](s)(s.engine.cli.ContainerList(s.Context(), container.ListOptions{All: true, Filters: ours})) {
		if slices.Contains(kept, c.ID) && c.State == api.StateExited {
			continue
		}
		found.containers = append(found.containers, strings.TrimPrefix(c.Names[0], "/"))
		found.domains = append(found.domains, c.Labels["io.dockwire.name"]+".localhost")
		if domain := c.Labels["io.dockwire.domain"]; domain != "" {
			found.domains = append(found.domains, domain)
		}
	}
	for _, n := range must[[]network.Summary](s)(s.engine.cli.NetworkList(s.Context(), network.ListOptions{Filters: ours})) {
		found.networks = append(found.networks, n.Name)
	}
	for _, v := range must[volume.ListResponse](s)(s.engine.cli.VolumeList(s.Context(), volume.ListOptions{Filters: ours})).Volumes {
		found.volumes = append(found.volumes, v.Name)
	}
	return found
}

// nothingHalfMade waits until the engine has no more with our label than what
// the daemon's list says, which takes at most as long as is promised. A volume
// may be left alone: it could hold data.
func (s *slaughter) nothingHalfMade() {
	s.Helper()
	c := s.client()
	defer c.Close()
	took := eventually(s, 60*time.Second, func() error {
		var names, networks, kept []string
		for _, container := range must[[]api.Container](s)(c.List(s.Context())) {
			names = append(names, container.Name)
			inspected := must[api.Inspect](s)(c.Inspect(s.Context(), container.Name))
			networks = append(networks, networkOf(inspected))
			if inspected.Previous != nil {
				kept = append(kept, inspected.Previous.ID)
			}
		}
		slices.Sort(names)
		slices.Sort(networks)
		got := s.labelled(kept)
		slices.Sort(got.containers)
		slices.Sort(got.networks)
		if !slices.Equal(got.containers, names) || !slices.Equal(got.networks, slices.Compact(networks)) {
			return fmt.Errorf("list gives %q in %q, the engine has %+v", names, networks, got)
		}
		if twice := repeated(got.domains); len(twice) > 0 {
			s.Errorf("domains are held twice: %q", twice)
		}
		return s.noneOfTheBuilds()
	})
	s.slowest = max(s.slowest, took)
}

// networkOf gives the engine's name for the network of a container.
func networkOf(c api.Inspect) string {
	kind := "network"
	if c.Network.Name != c.Name {
		kind = "shared-network"
	}
	return "dockwire." + instance + "." + kind + "." + c.Network.Name
}

// noneOfTheBuilds says whether something of the builds that were cut off is
// still there, or of files that were being written.
func (s *slaughter) noneOfTheBuilds() error {
	for _, dir := range []string{s.dir, filepath.Join(s.dir, "builds", "*", "*")} {
		if files, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(files) > 0 {
			return fmt.Errorf("files are left that were being written: %q", files)
		}
	}
	if clones, _ := filepath.Glob(filepath.Join(s.dir, "clones", "*")); len(clones) > 0 {
		return fmt.Errorf("clones are left: %q", clones)
	}
	if git := processes(filepath.Join(s.dir, "clones")); len(git) > 0 {
		return fmt.Errorf("git still runs: %q", git)
	}
	return nil
}

// asTold sees that what an operation answered, before the daemon was killed, is
// so.
func (s *slaughter) asTold(o operation) {
	s.Helper()
	c := s.client()
	defer c.Close()
	state := "absent"
	if found := s.find(c); found != nil {
		state = found.State
	}
	if state != o.told {
		s.Errorf("%s was answered, and then %s is %s, want %s", o.name, s.name, state, o.told)
	}
}

// usable sees that the name is: a container of it can be started and serves, and
// without one the name can be taken.
func (s *slaughter) usable() {
	s.Helper()
	c := s.client()
	defer c.Close()
	if s.find(c) == nil {
		must[api.Container](s)(c.Create(s.Context(), s.params()))
	} else {
		must[api.Container](s)(c.Start(s.Context(), s.name))
	}
	if found := s.find(c); found == nil || found.State != api.StateRunning {
		s.Errorf("%s was started and is %+v", s.name, found)
	}
	s.serves(s.name+".localhost", http.StatusOK)
}
