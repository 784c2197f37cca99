package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// meter reads again and again, from the kernel, what a container has used of the
// CPU, so that what we say of a time can be compared with what was then, however
// busy the machine is.
type meter struct {
	t    *testing.T
	file string

	mu       sync.Mutex
	readings []used
}

// used says that the container had used so much at some moment between two.
type used struct {
	before, after time.Time
	cpu           time.Duration
}

// meter reads until the test ends.
func (f *fixture) meter(id string) *meter {
	f.t.Helper()
	inspect, err := f.docker.ContainerInspect(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	m := &meter{t: f.t, file: cpuFile(f.t, inspect.State.Pid)}
	m.read()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				m.read()
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	f.t.Cleanup(func() {
		close(done)
		<-ended
	})
	return m
}

// cpuFile gives the file in which the kernel counts what the control group of a
// process uses.
func cpuFile(t *testing.T, pid int) string {
	t.Helper()
	groups, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		file := filepath.Join("/sys/fs/cgroup", path, "cpu.stat") // of version 2, which names no controllers
		if slices.Contains(strings.Split(controllers, ","), "cpuacct") {
			file = filepath.Join("/sys/fs/cgroup/cpuacct", path, "cpuacct.usage")
		}
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	t.Fatalf("the kernel does not count what process %d uses: %s", pid, groups)
	return ""
}

func (m *meter) read() {
	before := time.Now()
	data, err := os.ReadFile(m.file)
	after := time.Now()
	if err != nil {
		return // the container is gone
	}
	number, unit := strings.TrimSpace(string(data)), time.Nanosecond
	if of, found := strings.CutPrefix(number, "usage_usec "); found {
		number, _, _ = strings.Cut(of, "\n")
		unit = time.Microsecond
	}
	count, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		m.t.Errorf("%s holds %q", m.file, data)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readings = append(m.readings, used{before, after, time.Duration(count) * unit})
}

// at gives what the container had used at a moment: as much at least, and at
// most.
func (m *meter) at(moment time.Time) (least, most time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.readings {
		if !r.after.After(moment) {
			least = r.cpu
		}
		if !r.before.Before(moment) {
			return least, r.cpu
		}
	}
	m.t.Errorf("nothing was read after %v", moment)
	return least, least
}

// percent gives the share of a core that the container used between two moments,
// at least and at most.
func (m *meter) percent(from, to time.Time) (least, most float64) {
	m.read()
	fromLeast, fromMost := m.at(from)
	toLeast, toMost := m.at(to)
	of := func(cpu time.Duration) float64 { return 100 * float64(cpu) / float64(to.Sub(from)) }
	return of(max(0, toLeast-fromMost)), of(toMost - fromLeast)
}
