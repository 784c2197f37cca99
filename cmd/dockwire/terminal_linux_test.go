package main

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: what is written to inner is read from outer.
func terminal(t *testing.T) (inner, outer *os.File) {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outer.Close() })
	fd := int(outer.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	return inner, outer
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	inner, outer := terminal(t)
	read := bufio.NewReader(outer)
	out := api.Output{Seq: 1, Lines: []api.Line{{Stream: api.Git, Text: "Cloning \x1b[1mgame"}}}
	for _, c := range []struct{ what, noColor, want string }{
		{"a terminal", "", "\x1b[36mCloning \x1b[1mgame\x1b[0m\x1b[0m\r\n"},
		{"NO_COLOR", "1", "Cloning game\r\n"},
	} {
		t.Setenv("TERM", "xterm")
		t.Setenv("NO_COLOR", c.noColor)
		(&app{stdout: inner, stderr: inner}).printBuildOutput(out)
		if got, err := read.ReadString('\n'); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.what, got, err, c.want)
		}
	}
}
