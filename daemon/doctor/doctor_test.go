package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dockwire/dockwire/engine"
)

func TestTheKernelsAddressesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1CFC":                         "127.0.0.1:7420",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000001000000:1CFC": "[::1]:7420",
		"0000000000000000FFFF00000100007F:1CFC": "127.0.0.1:7420",
		"B80D0120000000000000000001000000:FFFF": "[2001:db8::1]:65535",
		"local_address":                         "invalid AddrPort",
		"0100007F":                              "invalid AddrPort",
		"01:0050":                               "invalid AddrPort",
		":":                                     "invalid AddrPort",
	} {
		if got := socketAddress(text).String(); got != want {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
}

func TestAddressesThatCannotBeListenedAtSideBySide(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{"127.0.0.1:80", "[::]:80", true},
		{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", true},
	} {
		if got := overlap(netip.MustParseAddrPort(test.a), netip.MustParseAddrPort(test.b)); got != test.want {
			t.Errorf("%s and %s: %v", test.a, test.b, got)
		}
	}
}

func TestWhoListensIsFound(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if pid, name := holder(tcpInode(ln.Addr().String())); pid != os.Getpid() || name == "" {
		t.Errorf("process %d, %q listens at %s, and not this one, %d", pid, name, ln.Addr(), os.Getpid())
	}
	path := filepath.Join(t.TempDir(), "s.sock")
	file, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if pid, _ := holder(unixInode(path)); pid != os.Getpid() {
		t.Errorf("process %d listens at %s, and not this one", pid, path)
	}
	if inode := unixInode(path + "x"); inode != "" {
		t.Errorf("a socket that is not there has the inode %s", inode)
	}
}

func TestAnOldGitIsTold(t *testing.T) {
	for said, want := range map[string]string{
		"git version 2.31.8":             Fail,
		"git version 2.32.0":             OK,
		"git version 2.39.5 (Apple-154)": OK,
		"git version 3.0":                OK,
		"git version 1.99":               Fail,
		"something else":                 Warn,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "git"), fmt.Appendf(nil, "#!/bin/sh\necho '%s'\n", said), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		var f findings
		if f.git(t.Context()); len(f) != 1 || f[0].State != want {
			t.Errorf("%s: %+v, want %s", said, f, want)
		}
	}
}

func TestHowContainersAreReachedIsTold(t *testing.T) {
	for _, test := range []struct {
		about       engine.About
		state, says string
	}{
		{engine.About{Reach: engine.ReachAddress}, OK, "their own addresses"},
		{engine.About{Reach: engine.ReachPublished, Unreached: "it is far away"}, OK, "ports that the engine publishes"},
		{engine.About{Reach: engine.ReachAddress, Unreached: "it is far away"}, Warn, "it is far away"},
	} {
		var f findings
		if f.reach(test.about); len(f) != 1 || f[0].State != test.state || !strings.Contains(f[0].Detail, test.says) {
			t.Errorf("%+v: %+v", test.about, f)
		}
	}
}

func TestADiskThatIsFullIsTold(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		least int64
		want  string
	}{{1, ""}, {1 << 60, Fail}} {
		var f findings
		f.free("disk", dir, test.least)
		if test.want != "" && f[0].State != test.want || test.want == "" && f[0].State == Fail {
			t.Errorf("with %d bytes to be left free: %+v", test.least, f)
		}
	}
}

// Of a small disk the daemon leaves a twentieth free, and no more.
func TestASmallDiskIsNotTakenForFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	var f findings
	if f.free("disk", dir, 0); f[0].State != Warn {
		t.Errorf("one of 8 MiB that is empty: %+v", f)
	}
	if err := os.WriteFile(filepath.Join(dir, "data"), make([]byte, 8<<20-256<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	f = nil
	if f.free("disk", dir, 0); f[0].State != Fail {
		t.Errorf("one of 8 MiB that is full: %+v", f)
	}
}

func TestTheNearestDirectoryIsFound(t *testing.T) {
	dir := t.TempDir()
	if got := existing(filepath.Join(dir, "a", "b")); got != dir {
		t.Errorf("it is %s, want %s", got, dir)
	}
}
