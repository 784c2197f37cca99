package daemon

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// residentProgram gives the resident kilobytes of the process that are files'.
func residentProgram(t *testing.T) (kilobytes int) {
	t.Helper()
	status, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "RssFile: %d kB", &kilobytes); n == 1 {
			return kilobytes
		}
	}
	t.Fatal("the kernel does not say what is resident")
	return 0
}

func TestADaemonRunsOnWithoutTheMemoryOfItsStart(t *testing.T) {
	before := residentProgram(t)
	if err := letGoOfProgram(); err != nil {
		t.Fatal(err)
	}
	if after := residentProgram(t); after >= before {
		t.Errorf("%d kB are resident, before it were %d", after, before)
	}
	d := runDaemon(t)
	d.dial().do("list", nil, nil)
}

// A program whose position is decided at its start (-buildmode=pie) is written
// to where it holds addresses, and closed to that afterwards.
func TestWhatWasRelocatedAtTheStartIsKept(t *testing.T) {
	var smaps strings.Builder
	for _, m := range []struct {
		head            string
		anonymous, swap int
	}{
		{"00001000-00002000 r-xp 00000000 fe:00 7 /usr/bin/dockwire", 0, 0},
		{"00002000-00003000 r--p 00001000 fe:00 7 /usr/bin/dockwire", 0, 0},
		{"00003000-00004000 r--p 00002000 fe:00 7 /usr/bin/dockwire", 4, 0},
		{"00004000-00005000 r--p 00003000 fe:00 7 /usr/bin/dockwire", 0, 4},
		{"00005000-00006000 rw-p 00004000 fe:00 7 /usr/bin/dockwire", 0, 0},
		{"00006000-00007000 rw-p 00000000 00:00 0", 0, 0},
		{"00007000-00008000 r-xp 00000000 fe:00 8 /usr/lib/libc.so.6", 0, 0},
	} {
		fmt.Fprintf(&smaps, "%s\nSize:  4 kB\nRss:  4 kB\nAnonymous:  %d kB\nSwap:  %d kB\nTHPeligible:  0\nVmFlags: rd mr mw me\n", m.head, m.anonymous, m.swap)
	}
	want := []mapping{{0x1000, 0x2000, true}, {0x2000, 0x3000, true}}
	if got := untouched(strings.NewReader(smaps.String()), "/usr/bin/dockwire"); !slices.Equal(got, want) {
		t.Errorf("given back are %v, want %v", got, want)
	}
}
