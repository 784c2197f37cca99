package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// writer makes a container that runs the probe with the command, and waits until
// its log has what it should when done is not empty.
func (f *fixture) writer(base, done string, command ...string) api.Container {
	f.t.Helper()
	c := f.create(api.CreateParams{Image: f.build("app"), Name: f.name(base), Command: command, Restart: "no", Port: ptr(0)})
	if done != "" {
		f.output(c.ID, done)
	}
	return c
}

// ended waits until the container does not run.
func (f *fixture) ended(c api.Container) {
	f.t.Helper()
	f.until(c.Name+" ends", func() bool {
		now, ok := f.Container(c.Name)
		return ok && now.State == api.StateExited
	})
}

// decode reads lines on the wire.
func decode(t *testing.T, lines []byte) (decoded []api.Line) {
	t.Helper()
	if err := json.Unmarshal(fmt.Appendf(nil, "[%s]", lines), &decoded); err != nil {
		t.Errorf("lines are not JSON: %v", err)
	}
	return decoded
}

// mustLog gives the texts that logs answers, joined with blanks.
func mustLog(t *testing.T, e *Engine, name string, p api.LogsParams) (string, api.LogsResult) {
	t.Helper()
	r, err := e.Logs(t.Context(), name, p)
	if err != nil {
		t.Fatalf("logs of %s with %+v: %v (%v)", name, p, err, errors.Unwrap(err))
	}
	var all []string
	for _, line := range r.Lines {
		all = append(all, strings.TrimPrefix(line.Text, "line "))
	}
	return strings.Join(all, " "), r
}

func TestEachOptionOfLogsCombinesWithEveryOther(t *testing.T) {
	f := setUp(t)
	c := f.writer("app", "", "lines", "-n", "9", "-every", "30ms", "-stream", "both")
	f.ended(c)
	_, whole := mustLog(t, f.Engine, c.Name, api.LogsParams{})
	if len(whole.Lines) != 9 || whole.Truncated || whole.Gap || whole.Name != c.Name {
		t.Fatalf("the whole log is %+v", whole)
	}
	at := func(i int) string { return whole.Lines[i-1].Time.Format(api.TimeLayout) }
	_, third := mustLog(t, f.Engine, c.Name, api.LogsParams{Until: at(4)})
	if third.Cursor == whole.Cursor {
		t.Fatal("until did not move the cursor")
	}
	tail := api.TailLines
	for _, row := range []struct {
		want string
		api.LogsParams
	}{
		{"000008 000009", api.LogsParams{Tail: tail(2)}},
		{"", api.LogsParams{Tail: tail(0)}},
		{"000001 000002 000003", api.LogsParams{Until: at(4)}},
		{"000007 000008 000009", api.LogsParams{Since: at(7)}},
		{"000004 000005", api.LogsParams{Since: at(4), Until: at(6)}},
		{"000002 000004 000006 000008", api.LogsParams{Stream: "stderr"}},
		{"000006 000008", api.LogsParams{Stream: "stderr", Tail: tail(2)}},
		{"000007", api.LogsParams{Stream: "stdout", Tail: tail(1), Until: at(9)}},
		{"000003 000005", api.LogsParams{Grep: "[35]$"}},
		{"000005", api.LogsParams{Grep: "[35]$", Tail: tail(1)}},
		{"000003", api.LogsParams{Grep: "[35]$", Until: at(5), Stream: "stdout", Tail: tail(5)}},
		{"000005 000007 000009", api.LogsParams{Stream: "stdout", Tail: tail(3), Since: "1h"}},
		{"000004 000006", api.LogsParams{After: third.Cursor, Stream: "stderr", Until: at(8), Since: at(1)}},
		{"000006", api.LogsParams{After: third.Cursor, Stream: "stderr", Until: at(8), Since: at(1), Tail: tail(1)}},
		{"000005", api.LogsParams{After: third.Cursor, Grep: "5", Tail: tail(7)}},
	} {
		got, r := mustLog(t, f.Engine, c.Name, row.LogsParams)
		if got != row.want || r.Gap || r.Truncated {
			t.Errorf("logs with %+v gave %q, want %q", row.LogsParams, got, row.want)
		}
		if got := f.followed(t, c.Name, row.LogsParams); got != row.want {
			t.Errorf("following with %+v gave %q, want %q", row.LogsParams, got, row.want)
		}
	}
	if got, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Since: "0s"}); got != "" || r.Cursor != whole.Cursor {
		t.Errorf("logs since now gave %q and a cursor that is not at the end", got)
	}
}

// followed gives what a follower gets before until, joined with blanks.
func (f *fixture) followed(t *testing.T, name string, p api.LogsParams) string {
	t.Helper()
	if p.Follow = true; p.Until == "" {
		p.Until = "0s"
	}
	var all []string
	for chunk, err := range f.FollowLogs(t.Context(), name, p) {
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range decode(t, chunk.AppendLines(nil)) {
			all = append(all, line.Text)
		}
	}
	return strings.ReplaceAll(strings.Join(all, " "), "line ", "")
}

func TestAResultHoldsWhatFits(t *testing.T) {
	f := setUp(t)
	const lines = 3000
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(lines), "-size", "1000")
	f.ended(c)
	got, r := mustLog(t, f.Engine, c.Name, api.LogsParams{})
	encoded, err := json.Marshal(r)
	if err != nil || len(encoded) > 1<<20 || len(encoded) < 1<<20-64<<10 {
		t.Errorf("the result has %d bytes", len(encoded))
	}
	if !r.Truncated || !strings.Contains(got, fmt.Sprintf("%06d", lines)) {
		t.Errorf("the newest lines are not there, truncated is %v", r.Truncated)
	}
	if _, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Tail: api.TailLines(500)}); r.Truncated || len(r.Lines) != 500 {
		t.Errorf("a tail that fits has %d lines, truncated %v", len(r.Lines), r.Truncated)
	}
	_, start := mustLog(t, f.Engine, c.Name, api.LogsParams{Until: r.Lines[0].Time.Add(-time.Hour).Format(time.RFC3339)})
	if len(start.Lines) != 0 {
		t.Fatalf("%d lines are an hour too old", len(start.Lines))
	}
	var n int
	for cursor, more := start.Cursor, true; more; {
		_, page := mustLog(t, f.Engine, c.Name, api.LogsParams{After: cursor})
		for _, line := range page.Lines {
			if n++; !strings.HasPrefix(line.Text, fmt.Sprintf("line %06d ", n)) {
				t.Fatalf("line %d is %.20q", n, line.Text)
			}
		}
		cursor, more = page.Cursor, page.Truncated
	}
	if n != lines {
		t.Errorf("page by page there were %d lines, want %d", n, lines)
	}
}

func TestLogsOfWhatIsNotThere(t *testing.T) {
	f := setUp(t)
	_, err := f.Logs(t.Context(), "nobody", api.LogsParams{})
	wantClass(t, err, NotFound, "nobody")
	created := f.create(api.CreateParams{Image: f.build("app"), Name: f.name("created"), Port: ptr(0), Start: ptr(false)})
	if got, r := mustLog(t, f.Engine, created.Name, api.LogsParams{}); got != "" || r.Cursor == "" {
		t.Errorf("a container that never ran has the log %+v", r)
	}
	silent := f.silent(t)
	_, err = f.Logs(t.Context(), silent, api.LogsParams{})
	wantClass(t, err, LogsUnavailable, silent)
	var last error
	for _, err := range f.FollowLogs(limited(t, patience), silent, api.LogsParams{}) {
		last = err
	}
	wantClass(t, last, LogsUnavailable, silent)
}

func TestParametersOfLogsAreCheckedByName(t *testing.T) {
	var e *Engine
	for _, p := range []api.LogsParams{
		{}, {Tail: api.TailLines(0)}, {Since: "10m"}, {Since: "2030-01-31T12:00:00+01:00", Until: "0s"}, {Stream: "both"}, {Stream: "stdout", Grep: `^a(b|c)*$`},
		{After: encodeCursor(testID, position{last: mark{fromStdout, 1, 2}, newest: 5, opened: 1})},
	} {
		if err := e.CheckLogs(p); err != nil {
			t.Errorf("%+v is refused: %v", p, err)
		}
	}
	for param, wrong := range map[string][]api.LogsParams{
		"tail":   {{Tail: api.TailLines(-1)}},
		"since":  {{Since: "yesterday"}, {Since: "-10m"}, {Since: "1066-10-14T09:00:00Z"}},
		"until":  {{Until: "10"}},
		"stream": {{Stream: "STDOUT"}},
		"grep":   {{Grep: "("}, {Grep: strings.Repeat("a", maxGrep+1)}},
		"after":  {{After: "x"}, {After: strings.Repeat("A", 40)}},
	} {
		for _, p := range wrong {
			known := wantClass(t, e.CheckLogs(p), Invalid, param)
			if known.Data.Param != param {
				t.Errorf("%+v is refused for %q", p, known.Data.Param)
			}
		}
	}
}

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestLongAndOddLinesAreWhole(t *testing.T) {
	f := setUp(t)
	c := f.writer("app", "",
		"bytes",
		"stdout", "61*16384,0a", // exactly one piece
		"stderr", "62*40000,0a",
		"stdout", "63*131072,0a", // exactly the longest
		"stdout", "64*131073,0a",
		"stdout", "65*1048576,0a",
		"stdout", "61*16383,c3a4,0a", // an umlaut across the mark
		"stdout", "ff,61,c3,0a",
		"stdout", "c3a4*65536,62,0a",
		"stdout", "66*131071,e282ac,67,0a", // a euro sign across the cut
		"stdout", "0a,0a",
		"stdout", "6c617374", // without a newline
	)
	f.ended(c)
	_, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Stream: "stdout"})
	want := []string{
		strings.Repeat("a", 16384),
		strings.Repeat("c", 131072),
		strings.Repeat("d", 131072),
		strings.Repeat("e", 131072),
		strings.Repeat("a", 16383) + "��",
		"�a�",
		strings.Repeat("ä", 65536),
		strings.Repeat("f", 131071),
		"", "",
		"last",
	}
	if len(r.Lines) != len(want) {
		t.Fatalf("there are %d lines, want %d", len(r.Lines), len(want))
	}
	for i, line := range r.Lines {
		cut := i == 2 || i == 3 || i == 6 || i == 7
		if line.Text != want[i] || line.Cut != cut {
			t.Errorf("line %d has %d bytes, %.20q…, cut %v", i, len(line.Text), line.Text, line.Cut)
		}
	}
	if _, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Stream: "stderr"}); len(r.Lines) != 1 || r.Lines[0].Text != strings.Repeat("b", 40000) {
		t.Error("the line of stderr is not whole")
	}
	for n := range len(want) + 1 {
		if _, r := mustLog(t, f.Engine, c.Name, api.LogsParams{Tail: api.TailLines(n)}); len(r.Lines) != n {
			t.Errorf("the tail of %d lines has %d", n, len(r.Lines))
		}
	}
}

// silent makes a container of the instance whose log driver keeps nothing.
func (f *fixture) silent(t *testing.T) (name string) {
	t.Helper()
	name = f.name("silent")
	config := &container.Config{Image: repository + f.build("silent") + ":latest", Labels: f.labels(kindContainer, name)}
	host := &container.HostConfig{LogConfig: container.LogConfig{Type: "none"}, NetworkMode: "none"}
	if _, err := f.docker.ContainerCreate(t.Context(), config, host, nil, nil, name); err != nil {
		t.Fatal(err)
	}
	f.until("the container is known", func() bool { _, ok := f.Container(name); return ok })
	return name
}

func limited(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
