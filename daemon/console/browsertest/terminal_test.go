package browsertest

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal opens a terminal for a program to write to, and copies what it
// writes until the test ends.
func openTerminal(t testing.TB, to io.Writer) *os.File {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(outer.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(to, outer) // until nobody has the other end any more
	}()
	t.Cleanup(func() {
		inner.Close()
		<-copied
		outer.Close()
	})
	return inner
}

// startDaemonAtTerminal starts a daemon as somebody does by hand, and gives the
// link that it prints.
func startDaemonAtTerminal(t testing.TB) (d *daemon, link string) {
	t.Helper()
	d = newDaemon(t)
	d.terminal = true
	d.run()
	printed := regexp.MustCompile(`The console: (\S+)`)
	for over := time.Now().Add(patience); time.Now().Before(over); time.Sleep(10 * time.Millisecond) {
		if found := printed.FindStringSubmatch(d.log.String()); found != nil {
			return d, found[1]
		}
	}
	t.Fatalf("no link is printed:\n%s", d.log)
	return nil, ""
}
