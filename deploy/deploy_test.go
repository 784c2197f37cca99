// Package deploy_test tests what make install installs.
package deploy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// exposure is what systemd-analyze security may give the service, in tenths of
// a point. What is left is that it is root, with the network, the host's files to
// read, the cgroups of builds, and CAP_NET_ADMIN for the firewall.
const exposure = "23"

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_LOG_TARGET=console")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// install installs below a directory of the test's own.
func install(t *testing.T) (prefix string) {
	t.Helper()
	prefix = t.TempDir()
	run(t, "make", "--silent", "-C", "..", "install", "PREFIX="+prefix)
	return prefix
}

func installed(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInstallPutsEverythingInItsPlaceAndUninstallTakesItAway(t *testing.T) {
	dir := t.TempDir()
	run(t, "make", "--silent", "-C", "..", "install", "DESTDIR="+dir, "PREFIX=/usr")
	want := []string{
		"/usr/bin/dockwire",
		"/usr/lib/systemd/system/dockwire-ingress.socket",
		"/usr/lib/systemd/system/dockwire.service",
		"/usr/lib/systemd/system/dockwire.socket",
		"/usr/lib/sysusers.d/dockwire.conf",
		"/usr/share/bash-completion/completions/dockwire",
		"/usr/share/fish/vendor_completions.d/dockwire.fish",
		"/usr/share/zsh/site-functions/_dockwire",
	}
	if got := installed(t, dir); !slices.Equal(got, want) {
		t.Errorf("installed are\n%s", strings.Join(got, "\n"))
	}
	unit, err := os.ReadFile(dir + "/usr/lib/systemd/system/dockwire.service")
	if err != nil || !strings.Contains(string(unit), "\nExecStart=/usr/bin/dockwire serve\n") {
		t.Errorf("the service does not start what was installed: %v\n%s", err, unit)
	}
	run(t, "make", "--silent", "-C", "..", "uninstall", "DESTDIR="+dir, "PREFIX=/usr")
	if left := installed(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSystemdHasNothingToSayAboutTheUnits(t *testing.T) {
	prefix := install(t)
	units, err := filepath.Glob(prefix + "/lib/systemd/system/dockwire*")
	if err != nil || len(units) != 3 {
		t.Fatal(units, err)
	}
	if said := run(t, "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)...); said != "" {
		t.Error(said)
	}
	run(t, "systemd-sysusers", "--dry-run", prefix+"/lib/sysusers.d/dockwire.conf")
}

func TestTheServiceIsHardened(t *testing.T) {
	out := run(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+exposure, "dockwire.service")
	_, overall, _ := strings.Cut(out, "→ ")
	t.Log(strings.TrimSpace(overall))
}

// Callers look for the daemon where it listens without systemd, so systemd has
// to listen there too.
func TestTheSocketsAreWhereTheDaemonWouldListen(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	for unit, want := range map[string][]string{
		"dockwire.socket":         {"FileDescriptorName=control", "ListenStream=" + api.SocketPaths()[0], "ListenStream=" + api.DefaultAddress},
		"dockwire-ingress.socket": {"FileDescriptorName=ingress", "ListenStream=127.0.0.1:8420"},
	} {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !strings.Contains(string(text), "\n"+line+"\n") {
				t.Errorf("%s does not say %s", unit, line)
			}
		}
	}
}
