package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

func TestUsageIsWhatTheContainerUses(t *testing.T) {
	f := setUp(t)
	burner := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("burner"), Command: []string{"burn", "-percent", "40"}, CPUs: 2, Memory: 128 << 20, Port: ptr(0)})
	holder := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("holder"), Command: []string{"alloc", "50000000"}, CPUs: 0.5, Port: ptr(0)})
	f.output(burner.ID, "burning")
	f.output(holder.ID, "allocated")
	truth := f.meter(burner.ID)
	u, since := f.topSince(burner)
	const stamped = 5 // percent: the engine notes the time a little before or after it reads
	if least, most := truth.percent(since, u.Time.Time); u.CPU.Percent < least-stamped || u.CPU.Percent > most+stamped || most < 1 || u.CPU.Limit != 2 {
		t.Errorf("of %.1f to %.1f %% of a core the first answer, of %v, is %+v", least, most, u.Time.Sub(since), u.CPU)
	}
	if u.Name != burner.Name || time.Since(u.Time.Time) > 5*time.Second || u.Pids == 0 || u.Memory.Limit != 128<<20 {
		t.Errorf("the usage is %+v", u)
	}
	u, err := f.Top(t.Context(), holder.Name)
	if err != nil {
		t.Fatal(err)
	}
	if u.Memory.Usage < 50e6 || u.Memory.Usage > 70e6 || u.Memory.Percent < 9 || u.Memory.Percent > 14 {
		t.Errorf("of 50 MB held the answer is %+v", u.Memory)
	}
	if u.CPU.Percent > 10 || u.CPU.Limit != 0.5 {
		t.Errorf("of an idle container the answer is %+v", u.CPU)
	}
	f.noSamplerLeft()
}

// topSince gives the first answer for a container, and since when its CPU percent
// is counted.
func (f *fixture) topSince(c api.Container) (u api.Usage, since time.Time) {
	f.t.Helper()
	s := f.sampler(c.Name, c.ID)
	defer s.leave()
	for {
		u, err := f.Top(f.t.Context(), c.Name)
		if err != nil {
			f.t.Fatal(err)
		}
		if v := s.view(); v.last.Time == u.Time { // else another sample has come meanwhile
			return u, v.older.Time.Time
		}
	}
}

func (f *fixture) noSamplerLeft() {
	f.t.Helper()
	f.lingering.close()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if f.samplers.size() > 0 || strings.Contains(string(stacks), "(*sampler)") {
		f.t.Errorf("a sampler is left:\n%s", stacks)
	}
}

func TestTopOfWhatDoesNotRun(t *testing.T) {
	f := setUp(t)
	_, err := f.Top(t.Context(), "nobody")
	wantClass(t, err, NotFound, "nobody")
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Start: ptr(false)})
	_, err = f.Top(t.Context(), c.Name)
	wantClass(t, err, NotRunning, c.Name)
	for _, interval := range []float64{0.5, -1, 1e9} {
		if known := wantClass(t, f.CheckTop(api.TopParams{Interval: interval}), Invalid, "interval"); known.Data.Param != "interval" {
			t.Errorf("interval %v is refused for %q", interval, known.Data.Param)
		}
	}
}

// updates makes what FollowTop gives a function. The sequence ends with the test.
func (f *fixture) updates(name string) func() (UsageUpdate, error, bool) {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	next, stop := iter.Pull2(f.FollowTop(ctx, name, api.TopParams{}))
	f.t.Cleanup(func() {
		stop()
		cancel()
	})
	return next
}

func TestTopFollowsTheNameUntilRemove(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.hubs.first, f.hubs.last = 5*time.Millisecond, 20*time.Millisecond
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Start: ptr(false)})
	next := f.updates(c.Name)
	other := f.updates(c.Name)
	if _, err := f.Start(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	first, err, _ := next()
	if err != nil || first.Usage.Name != c.Name || first.Dropped != 0 || first.State != "" {
		t.Fatalf("the first update is %+v, %v", first, err)
	}
	second, err, _ := next()
	if err != nil || !second.Usage.Time.After(first.Usage.Time.Time) {
		t.Errorf("the second update is %+v, %v", second, err)
	}
	proxy.Refuse()
	if paused, err, _ := next(); err != nil || paused.State != api.StreamPaused {
		t.Errorf("with the engine away it said %+v, %v", paused, err)
	}
	proxy.Restore()
	if resumed, err, _ := next(); err != nil || resumed.State != api.StreamResumed {
		t.Errorf("with the engine back it said %+v, %v", resumed, err)
	}
	if u, err, _ := other(); err != nil || u.State == "" && u.Usage.Name != c.Name {
		t.Errorf("another watcher got %+v, %v", u, err)
	}
	f.until("the engine is back", f.Up)
	if _, err := f.Restart(t.Context(), c.Name, nil); err != nil {
		t.Fatal(err)
	}
	restarted := time.Now()
	for u := (UsageUpdate{}); u.Usage.Time.Before(restarted); {
		if u, err, _ = next(); err != nil || u.State != "" || u.Usage.CPU.Percent > 200 {
			t.Fatalf("after a restart there was %+v, %v", u, err)
		}
	}
	f.remove(c.Name, false)
	for {
		u, err, more := next()
		if !more {
			break
		}
		if err != nil || u.State != "" {
			t.Fatalf("after remove there was %+v, %v", u, err)
		}
	}
}

// An engine that is ending, or what stands before it, takes connections and closes
// them. That is not the end of the samples, which looks the same: who waits would
// do so for ever.
func TestAConnectionThatIsClosedInPlaceOfSamplesIsAnEngineThatIsAway(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	f.hubs.first, f.hubs.last = 5*time.Millisecond, 20*time.Millisecond
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Command: []string{"wait"}})
	proxy.Inject(0, faults.Rule{Match: regexp.MustCompile("^GET /containers/[^/]+/stats"), Lose: true})
	_, err := f.Top(limited(t, patience), c.Name)
	if known := wantClass(t, err, Unavailable, c.Name); known.Data.Outcome != api.OutcomeNone {
		t.Errorf("the outcome is %q", known.Data.Outcome)
	}
	next := f.updates(c.Name)
	if paused, err, _ := next(); err != nil || paused.State != api.StreamPaused {
		t.Fatalf("without an answer it said %+v, %v", paused, err)
	}
	proxy.Inject(0)
	if resumed, err, _ := next(); err != nil || resumed.State != api.StreamResumed {
		t.Fatalf("with the engine back it said %+v, %v", resumed, err)
	}
	if u, err, _ := next(); err != nil || u.State != "" || u.Usage.Name != c.Name {
		t.Errorf("then it gave %+v, %v", u, err)
	}
}

func TestABusyWatcherGetsTheNewestSample(t *testing.T) {
	v, w := samplerView{}, watcher{step: 2}
	now := time.Now()
	take := func(cpu uint64) (UsageUpdate, bool) {
		now = now.Add(time.Second)
		v.add(&sample{cpu: cpu * 1e9, Usage: api.Usage{Time: api.Time{Time: now}}})
		return w.next(v)
	}
	if u, ok := take(1); ok {
		t.Errorf("a lone sample gives %+v", u)
	}
	if u, ok := take(2); !ok || u.Usage.CPU.Percent != 100 || u.Dropped != 0 {
		t.Errorf("the first update is %+v", u)
	}
	if u, ok := take(3); ok {
		t.Errorf("the interval is two seconds, but one later there is %+v", u)
	}
	if u, ok := take(4); !ok || u.Usage.CPU.Percent != 100 {
		t.Errorf("two seconds later there is %+v", u)
	}
	for range 6 {
		now = now.Add(time.Second)
		v.add(&sample{cpu: 4e9, Usage: api.Usage{Time: api.Time{Time: now}}})
	}
	if u, ok := take(18); !ok || u.Dropped != 2 {
		t.Errorf("after seven more samples there is %+v", u)
	}
	v.add(&sample{cpu: 4e9, Usage: api.Usage{Time: api.Time{Time: now.Add(-time.Second)}}})
	if u, ok := w.next(v); ok {
		t.Errorf("an older sample that comes late gives %+v", u)
	}
	now = now.Add(-time.Hour)
	if u, ok := take(19); ok {
		t.Errorf("after the engine's clock was put back a lone sample gives %+v", u)
	}
	if u, ok := take(20); !ok || u.Usage.CPU.Percent != 100 || u.Dropped != 0 {
		t.Errorf("after the engine's clock was put back there is %+v", u)
	}
	v.add(nil)
	if u, ok := take(0); ok {
		t.Errorf("after a restart a lone sample gives %+v", u)
	}
	if u, ok := take(1); !ok || u.Usage.CPU.Percent != 100 || u.Dropped != 0 {
		t.Errorf("after a restart there is %+v", u)
	}
}

func TestASampleReadsBothVersionsOfCgroups(t *testing.T) {
	raw := container.StatsResponse{Read: time.Now(), CPUStats: container.CPUStats{OnlineCPUs: 4},
		Networks:   map[string]container.NetworkStats{"eth0": {RxBytes: 1, TxBytes: 2}, "eth1": {RxBytes: 10, TxBytes: 20}},
		BlkioStats: container.BlkioStats{IoServiceBytesRecursive: []container.BlkioStatEntry{{Op: "Read", Value: 5}, {Op: "write", Value: 7}, {Op: "Total", Value: 12}}},
	}
	var got []int64
	for _, stats := range []map[string]uint64{
		{"total_inactive_file": 100, "inactive_file": 1}, {"inactive_file": 300}, {}, {"inactive_file": 2000},
	} {
		raw.MemoryStats = container.MemoryStats{Usage: 1000, Limit: 4000, Stats: stats}
		s, ok := sampleOf("app", &raw, 0)
		if !ok || s.CPU.Limit != 4 || s.Network != (api.NetworkUsage{Received: 11, Sent: 22}) || s.Disk != (api.DiskUsage{Read: 5, Written: 7}) {
			t.Errorf("the sample is %+v", s)
		}
		got = append(got, s.Memory.Usage)
	}
	if want := []int64{900, 700, 1000, 0}; !slices.Equal(got, want) {
		t.Errorf("memory is %v, want %v", got, want)
	}
	if s, ok := sampleOf("app", &container.StatsResponse{}, 1); ok {
		t.Errorf("zeros are the sample %+v", s)
	}
}

func TestACancelledWatcherEndsWithItsContext(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Port: ptr(0), Start: ptr(false)})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var last error
	for _, err := range f.FollowTop(ctx, c.Name, api.TopParams{Interval: 3}) {
		last = err
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", last)
	}
	f.noSamplerLeft()
}

func TestWhoAsksAgainIsAnsweredAtOnce(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("app"), Command: []string{"burn", "-percent", "40"}, CPUs: 2, Port: ptr(0)})
	f.output(c.ID, "burning")
	first, err := f.Top(t.Context(), c.Name)
	if err != nil {
		t.Fatal(err)
	}
	proxy.Silence()
	t.Cleanup(proxy.Restore)
	for range 100 {
		again, err := f.Top(t.Context(), c.Name)
		if err != nil || again.Time.Before(first.Time.Time) || again.CPU.Percent <= 0 || again.CPU.Percent > 210 {
			t.Fatalf("it answers %+v, %v", again, err)
		}
	}
	if n := f.samplers.size(); n != 1 {
		t.Errorf("there are %d samplers", n)
	}
	f.noSamplerLeft()
}

func TestLingeringEndsInTimeAndIsBounded(t *testing.T) {
	l := lingering{time: time.Hour}
	released := make(chan string, 2*maxLinger)
	keep := func(id string) {
		l.keep(id, func() func() { return func() { released <- id } })
	}
	keep("first")
	for i := range maxLinger - 1 {
		keep(fmt.Sprint(i))
	}
	keep("first")
	keep("last")
	if id := <-released; id != "0" || len(l.kept) != maxLinger {
		t.Errorf("%s goes and %d are kept, want the one that was asked for longest ago to go", id, len(l.kept))
	}
	l.time = time.Millisecond
	keep("first")
	if id := <-released; id != "first" {
		t.Errorf("%s has ended, want first", id)
	}
	l.close()
	if len(released) != maxLinger-1 || len(l.kept) != 0 {
		t.Errorf("%d were let go, %d are kept", len(released), len(l.kept))
	}
	keep("late")
	if len(l.kept) != 0 {
		t.Error("something is kept after the end")
	}
}
