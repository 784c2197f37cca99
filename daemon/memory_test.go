package daemon

import (
	"bufio"
	"fmt"
	"os"
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
