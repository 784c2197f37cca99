package torture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// figures are what a daemon uses.
type figures struct{ memory, goroutines, files int }

// TestLongWorkLeavesMemoryGoroutinesAndFilesFlat repeats a round of everything,
// and looks after each what the daemon uses. What the first rounds have grown is
// kept for the next.
func TestLongWorkLeavesMemoryGoroutinesAndFilesFlat(t *testing.T) {
	d := startEngine(t, "").startDaemon()
	url := repository(t, gittest.NewServer(t), "app", "RUN [\"/probe\", \"lines\", \"-n\", \"500\"]\nEXPOSE 8080\nCMD [\"serve\"]\n")
	var rounds []figures
	for end := time.Now().Add(scale().soak); time.Now().Before(end) || len(rounds) < 4; {
		var workers sync.WaitGroup
		for n := range 4 {
			c := d.client()
			workers.Go(func() {
				defer c.Close()
				if err := d.round(c, fmt.Sprintf("app%d", n), url); err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		if t.Failed() {
			return
		}
		rounds = append(rounds, d.figures())
	}
	third := len(rounds) / 3
	first, second, last := typical(rounds[:third]), typical(rounds[third:2*third]), typical(rounds[2*third:])
	t.Logf("%d rounds, a third of them after the other: %+v, %+v, %+v", len(rounds), first, second, last)
	if last.files > second.files+keptConnections || last.goroutines > second.goroutines+32 || last.memory > second.memory+second.memory/4+8<<20 {
		t.Errorf("the daemon grows: %+v", rounds)
	}
}

// typical gives the medians.
func typical(rounds []figures) figures {
	median := func(figure func(figures) int) int {
		var all []int
		for _, round := range rounds {
			all = append(all, figure(round))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return figures{
		memory:     median(func(f figures) int { return f.memory }),
		goroutines: median(func(f figures) int { return f.goroutines }),
		files:      median(func(f figures) int { return f.files }),
	}
}

// round builds, creates, calls, follows, and removes all of it.
func (d *daemon) round(c *client.Client, name, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	if _, err := c.Build(ctx, api.BuildParams{Name: name, URL: url}, nil); err != nil {
		return err
	}
	if _, err := c.Create(ctx, api.CreateParams{Image: name, Name: name}); err != nil {
		return err
	}
	d.serves(name+".localhost", http.StatusOK)
	for out, err := range c.FollowLogs(ctx, name, api.LogsParams{}) {
		if err != nil || len(out.Lines) > 0 {
			if err != nil {
				return err
			}
			break
		}
	}
	for _, err := range c.FollowTop(ctx, name, api.TopParams{}) {
		if err != nil {
			return err
		}
		break
	}
	var failed []error
	for range 50 {
		_, err := c.Inspect(ctx, name)
		_, listed := c.List(ctx)
		failed = append(failed, err, listed)
	}
	_, restarted := c.Restart(ctx, name, api.StopParams{})
	_, removed := c.Remove(ctx, api.RemoveParams{Name: name})
	_, gone := c.RemoveImage(ctx, name)
	return errors.Join(append(failed, restarted, removed, gone)...)
}

var (
	goroutinesOf = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)
	memoryOf     = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
)

// figures gives what the daemon uses while nobody calls it.
func (d *daemon) figures() figures {
	d.t.Helper()
	_, metrics := d.get("/metrics")
	status := must[[]byte](d.t)(os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid)))
	return figures{
		memory:     number(d.t, memoryOf, string(status)) << 10,
		goroutines: number(d.t, goroutinesOf, metrics),
		files:      len(d.files()),
	}
}

func number(t testing.TB, in *regexp.Regexp, text string) int {
	t.Helper()
	found := in.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not in %s", in, text)
	}
	return must[int](t)(strconv.Atoi(found[1]))
}
