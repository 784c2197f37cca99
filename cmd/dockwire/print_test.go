package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// printed gives what print writes to an app whose output is no terminal.
func printed(print func(a *app)) (stdout, stderr string) {
	var out, err bytes.Buffer
	print(&app{stdout: &out, stderr: &err})
	return out.String(), err.String()
}

// golden compares a text with lines that are indented in the source.
func golden(t *testing.T, got, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimPrefix(want, "\n"), "\n\t\t", "\n")
	want = strings.TrimRight(strings.TrimPrefix(want, "\t\t"), "\t")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func ago(d time.Duration) api.Time { return api.Time{Time: time.Now().Add(-d)} }

func TestContainersArePrintedAsATable(t *testing.T) {
	list := []api.Container{
		{Name: "prodbackend", State: api.StateRunning, Health: api.HealthHealthy, Image: "gamebackendv3", Commit: "0123456789abcdef",
			Created: ago(3 * time.Hour), URL: "http://prodbackend.localhost:8420/"},
		{Name: "worker", State: api.StateExited, Health: api.HealthNone, ExitCode: 7, Image: "postgres:16", Created: ago(49 * time.Hour)},
		{Name: "big", State: api.StateExited, OOMKilled: true, ExitCode: 137, Image: "evil\x1b[2J", Created: ago(time.Minute)},
	}
	out, _ := printed(func(a *app) { a.containerTable()(list) })
	golden(t, out, `
		NAME          STATE                    IMAGE           COMMIT         CREATED              URL
		prodbackend   running (healthy)        gamebackendv3   0123456789ab   3 hours ago          http://prodbackend.localhost:8420/
		worker        exited (7)               postgres:16     -              2 days ago           -
		big           exited (out of memory)   evil^[[2J       -              About a minute ago   -
		`)
}

func TestRowsThatComeLaterStandBelowTheOthers(t *testing.T) {
	out, _ := printed(func(a *app) {
		print := a.containerTable()
		print([]api.Container{{Name: "prodbackend", State: api.StateRunning}})
		print([]api.Container{{Name: "a", State: api.StateRemoved}})
	})
	golden(t, out, `
		NAME          STATE     IMAGE   COMMIT   CREATED   URL
		prodbackend   running           -        -         -
		a             removed           -        -         -
		`)
}

func TestImagesArePrintedAsATable(t *testing.T) {
	out, _ := printed(func(a *app) {
		a.printImages([]api.Image{{Name: "game", ID: "sha256:00112233445566778899", Size: 34_500_000, Created: ago(90 * time.Second),
			Commit: "0123456789abcdef", URL: "https://example.com/game.git", Containers: []string{"a1", "b1"}}})
	})
	golden(t, out, `
		NAME   COMMIT         ID             SIZE     CREATED              CONTAINERS   URL
		game   0123456789ab   001122334455   34.5MB   About a minute ago   a1 b1        https://example.com/game.git
		`)
}

func TestBuildsArePrintedAsATable(t *testing.T) {
	out, _ := printed(func(a *app) {
		a.printBuilds([]api.BuildInfo{
			{ID: "b2", Name: "game", State: api.BuildQueued, Position: 1, URL: "https://example.com/game.git"},
			{ID: "b1", Name: "game", State: api.BuildSucceeded, Started: ago(time.Hour + time.Minute), Seconds: 72.34, Commit: "0123456789abcdef", URL: "https://example.com/game.git"},
		})
	})
	golden(t, out, `
		ID   NAME   STATE        STARTED             TIME      COMMIT         URL
		b2   game   queued (1)   -                   0s        -              https://example.com/game.git
		b1   game   succeeded    About an hour ago   1m12.3s   0123456789ab   https://example.com/game.git
		`)
}

func TestUsageIsPrintedAsATable(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	out, _ := printed(func(a *app) {
		a.usageTable()(api.Usage{
			Name: "game", Time: api.Time{Time: at}, CPU: api.CPUUsage{Percent: 12.34, Limit: 1},
			Memory:  api.MemoryUsage{Usage: 64 << 20, Limit: 512 << 20, Percent: 12.5},
			Network: api.NetworkUsage{Received: 1500, Sent: 2_000_000}, Disk: api.DiskUsage{Written: 4096}, Pids: 3,
		})
	})
	golden(t, out, `
		TIME       NAME   CPU     MEMORY           MEM %   NET IN / OUT   DISK READ / WRITTEN   PIDS
		03:04:05   game   12.3%   64MiB / 512MiB   12.5%   1.5kB / 2MB    0B / 4.096kB          3
		`)
}

func TestInspectIsPrintedAsASheet(t *testing.T) {
	secret := "s3\x1b]0;x\x07"
	out, _ := printed(func(a *app) {
		a.printInspect(api.Inspect{
			Container:     api.Container{Name: "game", State: api.StateRunning, Port: 8080},
			Configuration: api.Configuration{Command: []string{"./game", "--fast"}, Environment: map[string]*string{"MODE": &secret, "KEY": nil}},
			Limits:        api.Limits{Memory: 512 << 20, CPUs: 1.5},
			Mounts:        []api.Mount{{Volume: "data", Path: "/var/data"}},
		})
	})
	for _, line := range []string{
		"  Name      game\n", "  Port      8080\n", "  Started   -\n", "\nEnvironment\n  KEY   (hidden)\n  MODE  s3^[]0;x^G\n",
		"  Command      ./game --fast\n", "  Memory      512MiB\n  CPUs        1.5\n", "\nVolumes\n  /var/data  data\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is missing in\n%s", line, out)
		}
	}
}

func TestDiffIsPrintedAsInDocker(t *testing.T) {
	out, _ := printed(func(a *app) {
		a.printDiff([]api.Change{{Path: "/a", Kind: api.ChangeAdded}, {Path: "/b\r/c", Kind: api.ChangeModified}, {Path: "/d", Kind: api.ChangeDeleted}})
	})
	golden(t, out, `
		A /a
		C /b^M/c
		D /d
		`)
}

func TestLogLinesKeepTheirStream(t *testing.T) {
	at := api.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}
	out, err := printed(func(a *app) {
		a.printLogLines([]api.Line{
			{Time: at, Stream: api.Stdout, Text: "\x1b[32mok\r"},
			{Time: at, Stream: api.Stderr, Text: "\x1b[2Jbad"},
		}, true)
	})
	golden(t, out, "2026-01-02T03:04:05.000006000Z \x1b[32mok\x1b[0m\n")
	golden(t, err, "2026-01-02T03:04:05.000006000Z ^[[2Jbad\n")
}

func TestNoColourMeansNoneAtAll(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	out, _ := printed(func(a *app) { a.lines(a.stdout, []api.Line{{Text: "\x1b[32mok\x1b[0m"}}) })
	golden(t, out, "ok\n")
}

func TestGapsInAStreamAreTold(t *testing.T) {
	for want, out := range map[string]api.Output{
		"":                                   {Seq: 1, Lines: []api.Line{{Text: "x"}}},
		"the engine is away; waiting for it": {State: api.StreamPaused},
		"the engine is back":                 {State: api.StreamResumed},
		"lines are missing here":             {Gap: true},
		"12 lines were left out here":        {Dropped: 12},
	} {
		_, told := printed(func(a *app) { a.tellMissing(out) })
		if want != "" {
			want = "dockwire: " + want + "\n"
		}
		golden(t, told, want)
	}
}
