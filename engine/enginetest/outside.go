package enginetest

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Metadata is the address at which most clouds tell a machine its secrets.
const Metadata = "169.254.169.254"

// Outside is a machine beyond this host, which forwards to it: a network
// namespace at the end of a cable. It has an address like any on the internet,
// and Metadata.
type Outside struct {
	Address string
	space   string
}

// NewOutside makes an Outside that is gone when the test ends. There is one at a
// time on a host: others wait.
func NewOutside(t testing.TB) *Outside {
	t.Helper()
	lockOutside(t)
	var random [4]byte
	rand.Read(random[:])
	space := fmt.Sprintf("dwt%x", random)
	address := func(n byte) string { // of a subnet kept for tests by RFC 2544
		return fmt.Sprintf("198.%d.%d.%d", 18+random[0]%2, random[1], random[2]&^3+n)
	}
	here, there := address(1), address(2)
	ip(t, "netns", "add", space)
	t.Cleanup(func() { ip(t, "netns", "del", space) }) // takes the cable and the routes with it
	for _, command := range [][]string{
		{"link", "add", space, "type", "veth", "peer", "name", "cable", "netns", space},
		{"addr", "add", here + "/30", "dev", space},
		{"link", "set", space, "up"},
		{"-n", space, "addr", "add", there + "/30", "dev", "cable"},
		{"-n", space, "addr", "add", Metadata + "/32", "dev", "cable"},
		{"-n", space, "link", "set", "cable", "up"},
		{"-n", space, "route", "add", "default", "via", here},
		{"route", "add", Metadata + "/32", "via", there},
	} {
		ip(t, command...)
	}
	return &Outside{Address: there, space: space}
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s (the tests take root)", args, err, out)
	}
}

func lockOutside(t testing.TB) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "dockwire-test-outside.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// Canary gives a Canary at all addresses of the Outside.
func (o *Outside) Canary(t testing.TB) *Canary {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + o.space)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread is lost to the other namespace
		}
	}()
	return newCanary(t)
}
