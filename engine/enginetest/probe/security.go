//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
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

// tryDial dials each of the addresses, side by side. NETWORK:ADDRESS is dialled
// so, tcp without one. A datagram tells nothing about its fate: the one who
// listens has to.
func tryDial(args []string) error {
	results := make([]error, len(args))
	var dials sync.WaitGroup
	for i, arg := range args {
		network, addr := "tcp", arg
		for _, known := range []string{"udp", "unix"} {
			if rest, ok := strings.CutPrefix(arg, known+":"); ok {
				network, addr = known, rest
			}
		}
		dials.Go(func() { results[i] = dial(network, addr) })
	}
	dials.Wait()
	for i, arg := range args {
		report("dial "+arg, results[i])
	}
	return nil
}

func dial(network, addr string) error {
	conn, err := net.DialTimeout(network, addr, 3*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("probe"))
	return err
}

// tryFork starts n processes that stay, and says how many it got. With a time
// it then tries for one more for that long, since a limit may come late.
func tryFork(args []string) error {
	n, err := strconv.Atoi(first(args, "1000"))
	if err != nil {
		return err
	}
	patience := time.Duration(0)
	if len(args) > 1 {
		if patience, err = time.ParseDuration(args[1]); err != nil {
			return err
		}
	}
	for started := range n {
		if err := exec.Command("/proc/self/exe", "wait").Start(); err != nil {
			return report(fmt.Sprintf("fork after %d", started), err)
		}
	}
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end); {
		err = exec.Command("/proc/self/exe", "exit", "0").Run()
	}
	return report(fmt.Sprintf("fork %d", n), err)
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

// show prints files, and where symbolic links lead.
func show(paths []string) error {
	for _, path := range paths {
		if target, err := os.Readlink(path); err == nil {
			fmt.Println(target)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			report("show "+path, err)
			continue
		}
		fmt.Print(string(text))
	}
	return nil
}

// tryPtrace attaches to the process with the id, or to a child that runs as the
// user 1000 when there is none.
func tryPtrace(args []string) error {
	runtime.LockOSThread() // a tracer is a thread
	pid, err := strconv.Atoi(first(args, "0"))
	if err != nil {
		return err
	}
	if pid == 0 {
		child := as(1000, "/proc/self/exe", "wait")
		if err := child.Start(); err != nil {
			return err
		}
		defer child.Process.Kill()
		pid = child.Process.Pid
	}
	return report("ptrace", syscall.PtraceAttach(pid))
}

func tryUnshare([]string) error {
	runtime.LockOSThread()
	return report("unshare", syscall.Unshare(syscall.CLONE_NEWUSER|syscall.CLONE_NEWNS))
}

// trySetuid makes a copy of this program that belongs to root and is set-user-id,
// and runs it as the user 1000 to show what that gains.
func trySetuid([]string) error {
	const file = "/probe-setuid"
	if err := copySelf(file); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o755|os.ModeSetuid); err != nil {
		return err
	}
	child := as(1000, file, "caps")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	return child.Run()
}

// tryRunCopy makes a copy of this program at the path, and runs it.
func tryRunCopy(args []string) error {
	file := first(args, "/tmp/probe")
	err := copySelf(file)
	if err == nil {
		err = exec.Command(file, "exit", "0").Run()
	}
	return report("runcopy "+file, err)
}

func copySelf(file string) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	return os.WriteFile(file, self, 0o755)
}

func as(uid uint32, command ...string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}
