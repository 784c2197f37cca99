package whole

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// enginePID gives the process of the engine: the one that made the socket.
func enginePID(b *testing.B) int {
	b.Helper()
	conn, err := net.Dial("unix", engineSocket())
	must(b, err)
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	must(b, err)
	var peer *syscall.Ucred
	must(b, raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}))
	must(b, err)
	return int(peer.Pid)
}

// resident gives the bytes of memory that a process holds.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	kib, err := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)[1]))
	must(b, err)
	return float64(kib << 10)
}

// processor gives the seconds that processes and the children they have waited
// for have spent.
func processor(b *testing.B, pids ...int) float64 {
	b.Helper()
	const ticks = 100 // a second, in what the kernel shows
	total := 0
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		must(b, err)
		_, after, _ := strings.Cut(string(stat), ") ")
		for _, field := range strings.Fields(after)[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.Atoi(field)
			must(b, err)
			total += n
		}
	}
	return float64(total) / ticks
}
