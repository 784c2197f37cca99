package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// runcState is where runc keeps what it knows of each container that it runs.
// BuildKit, other than the engine itself, runs it with this directory.
const runcState = "/run/runc"

// guard bounds the steps of one build of BuildKit's.
type guard struct {
	bounds  Bounds
	address string          // of the name markerHost in the steps' /etc/hosts: what tells that they are of this build
	ulimits bool            // set these, too
	seen    map[string]bool // steps, by runc's id
	warn    func(error)
}

// markerHost is a name that every step of ours can look up. The engine lets us
// say no more about a step, and counts an address for nothing when it looks for
// one in its cache.
const markerHost = "dockwire-build"

func newGuard(o Options, ulimits bool) *guard {
	sum := sha256.Sum256([]byte(o.ID))
	return &guard{bounds: o.Bounds, ulimits: ulimits, warn: o.Warn, seen: map[string]bool{},
		address: fmt.Sprintf("127.%d.%d.%d", sum[0], sum[1], sum[2])}
}

func (g *guard) extraHost() string { return markerHost + ":" + g.address }

// lookEvery is how long a step can run without bounds.
const lookEvery = 10 * time.Millisecond

// start bounds the steps as they begin, until ctx ends or it is stopped. It is
// called before the build begins: what there is already is none of its steps.
func (g *guard) start(ctx context.Context) (stop func()) {
	for _, id := range running() {
		g.seen[id] = true
	}
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			g.look()
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-stopped }
}

// running gives runc's ids of what it runs, and of what it left when it was
// killed.
func running() (ids []string) {
	entries, _ := os.ReadDir(runcState)
	for _, entry := range entries {
		ids = append(ids, entry.Name())
	}
	return ids
}

func (g *guard) look() {
	for _, id := range running() {
		if g.seen[id] {
			continue
		}
		state, err := readStep(id)
		if errors.Is(err, fs.ErrNotExist) { // it has not begun, or has ended
			continue
		}
		g.seen[id] = true
		if err == nil && g.owns(state) {
			err = g.bound(state)
		}
		if err != nil {
			g.warn(err)
		}
	}
}

// runcStep is what runc says of a step that runs.
type runcStep struct {
	Cgroups map[string]string `json:"cgroup_paths"` // directories, by controller
	Config  struct {
		Mounts []struct{ Source, Destination string }
	}
}

func readStep(id string) (s runcStep, err error) {
	data, err := os.ReadFile(filepath.Join(runcState, id, "state.json"))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}

// owns says whether a step is one of this build. What is in its /etc/hosts the
// step cannot change.
func (g *guard) owns(s runcStep) bool {
	for _, m := range s.Config.Mounts {
		if m.Destination != "/etc/hosts" {
			continue
		}
		hosts, err := os.ReadFile(m.Source)
		return err == nil && bytes.Contains(hosts, []byte(g.address+"\t"+markerHost+"\n"))
	}
	return false
}

// bound bounds a step. One that has more by now than it may have is killed, as
// it would have been with its bounds.
func (g *guard) bound(s runcStep) error {
	missing := map[string]bool{"pids": true, "memory": true, "cpu": true}
	for _, dir := range s.Cgroups {
		for _, file := range g.bounds.files() {
			err := writeExisting(filepath.Join(dir, file.name), file.value)
			switch {
			case err == nil:
				controller, _, _ := strings.Cut(file.name, ".")
				delete(missing, controller)
			case errors.Is(err, unix.EBUSY):
				return s.kill()
			case !errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("a step of a build is not bounded: %w", err)
			}
		}
	}
	if len(missing) > 0 && anyExists(s.Cgroups) {
		return fmt.Errorf("a step of a build is not bounded: its cgroup has no %s", strings.Join(slices.Sorted(maps.Keys(missing)), " and no "))
	}
	if g.ulimits {
		return s.setUlimits()
	}
	return nil
}

// forgetsUlimits says whether the engine takes the ulimits of a build and does
// nothing with them, as BuildKit did before Docker 23.
func forgetsUlimits(cli *client.Client) bool { return versions.LessThan(cli.ClientVersion(), "1.42") }

// ulimits are those that the options have.
var ulimits = map[int]uint64{unix.RLIMIT_NOFILE: maxFiles, unix.RLIMIT_CORE: 0}

// setUlimits sets the ulimits of all processes of the step, until there are none
// but those that inherited them.
func (s runcStep) setUlimits() error {
	done := map[int]bool{}
	for added := true; added; {
		added = false
		for _, pid := range s.processes() {
			if done[pid] {
				continue
			}
			done[pid], added = true, true
			for resource, most := range ulimits {
				err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: most, Max: most}, nil)
				if err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("the ulimits of a step of a build are not set: %w", err)
				}
			}
		}
	}
	return nil
}

// killTime is how long processes may take to give back what they have.
const killTime = 10 * time.Second

// kill ends all processes of the step, those too that they still start.
func (s runcStep) kill() error {
	for late := time.Now().Add(killTime); time.Now().Before(late); time.Sleep(time.Millisecond) {
		pids := s.processes()
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	return fmt.Errorf("a step of a build that has more than it may is still there %v after it was killed", killTime)
}

func (s runcStep) processes() (pids []int) {
	for _, dir := range s.Cgroups {
		list, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for line := range strings.FieldsSeq(string(list)) {
			if pid, err := strconv.Atoi(line); err == nil {
				pids = append(pids, pid)
			}
		}
		break
	}
	return pids
}

// anyExists says whether the step still runs.
func anyExists(dirs map[string]string) bool {
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			return true
		}
	}
	return false
}

// writeExisting writes to a file that is there, as those of a cgroup are.
func writeExisting(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
