package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
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

// letGoOfProgram unmaps the pages of the program that were never written to.
func letGoOfProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer maps.Close()
	for _, m := range untouched(maps, program) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, unix.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return nil
}

// mapping is a range of addresses that a file is mapped to.
type mapping struct {
	begin, end uintptr
	same       bool // as the file has it
}

// untouched gives where a program is mapped that may not be written to, and has
// not been: what is relocated at the start was written before it was closed to
// that.
func untouched(smaps io.Reader, program string) []mapping {
	var all []mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		var m mapping
		var mode, key string
		var kilobytes int
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &m.begin, &m.end, &mode); n == 3 {
			m.same = mode[1] != 'w' && strings.HasSuffix(lines.Text(), program)
			all = append(all, m)
			continue
		}
		if n, _ := fmt.Sscanf(lines.Text(), "%s %d kB", &key, &kilobytes); n == 2 && kilobytes > 0 && (key == "Anonymous:" || key == "Swap:") {
			all[len(all)-1].same = false
		}
	}
	return slices.DeleteFunc(all, func(m mapping) bool { return !m.same })
}
