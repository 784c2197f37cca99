package daemon

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// settled is how long after its start a daemon has done what only a start does.
const settled = 10 * time.Second

// letGoOfStart gives back the memory that only the start needed: free pages of
// the heap, and those of the program that were read then. What is needed again
// comes back from the page cache.
func (d *Daemon) letGoOfStart(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(settled):
	}
	debug.FreeOSMemory()
	if err := letGoOfProgram(); err != nil {
		d.log.Debug("the memory of the start is kept", zap.Error(err))
	}
	return nil
}

// letGoOfProgram unmaps the pages of the program that are never written to.
func letGoOfProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var begin, end uintptr
		var mode string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &begin, &end, &mode); n != 3 || mode[1] == 'w' || !strings.HasSuffix(lines.Text(), program) {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return nil
}
