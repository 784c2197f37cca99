//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// report prints one line that says whether what was tried was allowed.
func report(what string, err error) error {
	if err != nil {
		fmt.Printf("%s: refused: %v\n", what, err)
		return nil
	}
	fmt.Printf("%s: allowed\n", what)
	return nil
}

func tryMount([]string) error {
	return report("mount", syscall.Mount("none", "/proc", "tmpfs", 0, ""))
}

func tryMknod([]string) error {
	const device = 1<<8 | 3 // /dev/null's own numbers
	return report("mknod", syscall.Mknod("/probe-device", syscall.S_IFCHR|0o600, device))
}

func tryRawSocket([]string) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)
	if err == nil {
		syscall.Close(fd)
	}
	return report("rawsock", err)
}

func tryDial(args []string) error {
	addr := first(args, "")
	conn, err := net.DialTimeout("tcp", addr, 3*time.Second)
	if err == nil {
		conn.Close()
	}
	return report("dial "+addr, err)
}

// tryFork starts n processes that stay, and says how many it got.
func tryFork(args []string) error {
	n, err := strconv.Atoi(first(args, "1000"))
	if err != nil {
		return err
	}
	for started := range n {
		if err := exec.Command("/proc/self/exe", "wait").Start(); err != nil {
			return report(fmt.Sprintf("fork after %d", started), err)
		}
	}
	return report(fmt.Sprintf("fork %d", n), nil)
}

// showCaps prints the lines of /proc/self/status that security is read from,
// and the ids of the user.
func showCaps([]string) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		for _, prefix := range []string{"Cap", "NoNewPrivs", "Seccomp", "Uid", "Gid"} {
			if strings.HasPrefix(line, prefix) {
				fmt.Print(line)
			}
		}
	}
	return nil
}
