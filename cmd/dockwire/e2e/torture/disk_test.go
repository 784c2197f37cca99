package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// smallDisk gives a directory on a file system of so many MiB.
func smallDisk(t testing.TB, size int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill leaves no room on the disk of a directory, until free.
func fill(t testing.TB, dir string) (free func()) {
	t.Helper()
	file, err := os.CreateTemp(dir, "filler")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() { os.Remove(file.Name()) }
}

func wantFull(t testing.TB, what string, err error) {
	t.Helper()
	var answered *api.Error
	if !errors.As(err, &answered) || answered.Code != api.CodeTooBusy || answered.Data.Limit != "disk" {
		t.Errorf("%s on a full disk is answered with %v, want %d", what, err, api.CodeTooBusy)
	}
}

// TestAFullDiskOfTheStateTruncatesNothing fills the disk of the state directory
// under a build, tries what has to be written, and makes room again.
func TestAFullDiskOfTheStateTruncatesNothing(t *testing.T) {
	dir := smallDisk(t, 8)
	d := startEngine(t, "").startDaemonIn(dir, "--min-free", "1")
	c, git := d.client(), gittest.NewServer(t)
	build(t, c, "app", "EXPOSE 8080\nCMD [\"serve\"]\n")
	must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "app", Name: "app"}))
	if out, err := d.run("token", "create", "--state-dir", dir, "--scope", "read"); err != nil {
		t.Fatalf("a token cannot be made: %s", out)
	}
	tokens := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "tokens.json")))

	url := repository(t, git, "long", "RUN [\"/probe\", \"lines\", \"-every\", \"1ms\", \"-size\", \"1000\"]\n")
	free := func() {}
	var cursor string
	_, err := c.Build(t.Context(), api.BuildParams{Name: "long", URL: url}, func(out api.Output) {
		if strings.HasPrefix(out.Lines[0].Text, "line ") && cursor == "" {
			cursor, free = out.Cursor, fill(t, dir)
		}
	})
	wantFull(t, "a build that runs", err)
	d.wholeOutput(c, url, cursor)
	free() // what the build had to clone has gone with it: fill that too
	free = fill(t, dir)
	_, err = c.Build(t.Context(), api.BuildParams{Name: "another", URL: url}, nil)
	wantFull(t, "another build", err)
	if out, err := d.run("token", "create", "--state-dir", dir, "--scope", "read"); err == nil || !strings.Contains(out, "no space left") {
		t.Errorf("a token is made on a full disk: %s", out)
	}
	if now := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "tokens.json"))); !bytes.Equal(now, tokens) {
		t.Errorf("the file of the tokens has become %s", now)
	}
	must[api.Container](t)(c.Restart(t.Context(), "app", api.StopParams{}))
	d.kill()
	d.start()
	if states := d.states(c); states["app"] != api.StateRunning {
		t.Errorf("on a full disk the daemon starts with %v", states)
	}

	free()
	build(t, c, "another", "")
	if out, err := d.run("token", "create", "--state-dir", dir, "--scope", "read"); err != nil {
		t.Errorf("with room again a token cannot be made: %s", out)
	}
}

// wholeOutput reads what is kept of the build that the disk was too small for:
// each of its lines is whole, and its answer is what it was.
func (d *daemon) wholeOutput(c *client.Client, url, cursor string) {
	d.t.Helper()
	seen := 0
	_, err := c.Build(d.t.Context(), api.BuildParams{Name: "long", URL: url, After: cursor}, func(out api.Output) {
		for _, line := range out.Lines {
			seen++
			if numberOf(line.Text) >= 0 && len(line.Text) != 1000 {
				d.t.Errorf("a line of %d bytes is kept of %q", len(line.Text), line.Text[:20])
			}
		}
	})
	wantFull(d.t, "the build, asked again,", err)
	files, _ := filepath.Glob(filepath.Join(d.dir, "builds", "long", "*", "output"))
	data := must[[]byte](d.t)(os.ReadFile(files[0]))
	for line := range bytes.Lines(data) {
		if !json.Valid(line) || !bytes.HasSuffix(line, []byte("\n")) {
			d.t.Errorf("a line of the output that is kept is %.60q", line)
		}
	}
	d.t.Logf("%d lines after the cursor, %d bytes in all", seen, len(data))
}

// TestAFullDiskOfTheEngineIsSaid fills the disk of the engine's data, tries to
// build and to create, and makes room again.
func TestAFullDiskOfTheEngineIsSaid(t *testing.T) {
	data := smallDisk(t, 128)
	d := startEngine(t, data).startDaemon("--min-free", "1")
	c, git := d.client(), gittest.NewServer(t)
	build(t, c, "app", "EXPOSE 8080\nCMD [\"serve\"]\n")
	must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "app", Name: "app"}))
	d.serves("app.localhost", 200)
	free := fill(t, data)
	_, err := c.Build(t.Context(), api.BuildParams{Name: "another", URL: repository(t, git, "another", "")}, nil)
	wantFull(t, "a build", err)
	_, err = c.Create(t.Context(), api.CreateParams{Image: "app", Name: "another"})
	wantFull(t, "create", err)
	if states := d.states(c); len(states) != 1 || states["app"] != api.StateRunning {
		t.Errorf("list gives %v", states)
	}
	d.serves("app.localhost", 200)

	free()
	build(t, c, "another", "")
	eventually(t, patience, func() error {
		_, err := c.Create(context.WithoutCancel(t.Context()), api.CreateParams{Image: "app", Name: "another"})
		return err
	})
	must[api.Container](t)(c.Restart(t.Context(), "app", api.StopParams{}))
	d.serves("app.localhost", 200)
}
