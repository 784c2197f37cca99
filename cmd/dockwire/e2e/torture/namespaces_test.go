package torture

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// The tests run in namespaces of their own: of processes, mounts and network. An
// engine in there disturbs no other, and when the tests end, or die, nothing is
// left of all that they started, mounted and connected. Three processes make
// that so, each started by the one before and told its role by roleVariable: the
// one that go test runs, which waits and removes what lies outside; the first in
// the namespaces, which buries those whose parents died; and the tests.
const roleVariable, roleInit, roleTests = "TORTURE_ROLE", "init", "tests"

// inNamespaces runs the tests there, and gives the exit code.
func inNamespaces(tests func() int) int {
	code, err := 1, error(nil)
	switch os.Getenv(roleVariable) {
	case roleTests:
		return tests()
	case roleInit:
		code, err = beFirst()
	default:
		code, err = enter()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the fault tests take root, and an engine of their own:", err)
	}
	return code
}

// again gives the command that runs this program in another role.
func again(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// enter makes the namespaces, and removes what the tests leave outside of them:
// their directory, and the control groups of containers.
func enter() (code int, err error) {
	dir, err := os.MkdirTemp("", "torture")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	defer removeControlGroups(filepath.Base(dir))
	cmd := again(roleInit)
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET
	if err := cmd.Run(); cmd.ProcessState == nil {
		return 1, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// controlGroup is where the engines of the tests put their containers.
func controlGroup() string { return filepath.Base(os.TempDir()) }

func removeControlGroups(name string) {
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + name)
	for _, group := range append(groups, "/sys/fs/cgroup/"+name) {
		var dirs []string
		filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			os.Remove(dir)
		}
	}
}

// beFirst sets the namespaces up, runs the tests, and buries the dead meanwhile.
// With it everything in the namespaces ends.
func beFirst() (code int, err error) {
	if err := furnish(); err != nil {
		return 1, err
	}
	tests := again(roleTests)
	if err := tests.Start(); err != nil {
		return 1, err
	}
	for {
		var status syscall.WaitStatus
		switch pid, err := syscall.Wait4(-1, &status, 0, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return 1, err
		case pid == tests.Process.Pid && status.Exited():
			return status.ExitStatus(), nil
		case pid == tests.Process.Pid:
			return 1, fmt.Errorf("the tests were ended by %v", status.Signal())
		}
	}
}

// furnish gives the namespaces what tests and engine need: their own view of the
// processes, files in memory, loopback, and a resolver that fails at once. An
// engine of the host's own is not seen.
func furnish() error {
	resolver := filepath.Join(os.TempDir(), "resolv.conf")
	for _, mount := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"tmpfs", os.TempDir(), "tmpfs", 0},
		{resolver, "/etc/resolv.conf", "", unix.MS_BIND},
		{"tmpfs", "/run/containerd", "tmpfs", 0},
	} {
		if mount.source == resolver {
			if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
				return err
			}
		}
		if mount.target == "/run/containerd" {
			if _, err := os.Stat(mount.target); err != nil {
				continue
			}
		}
		if err := unix.Mount(mount.source, mount.target, mount.kind, mount.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", mount.target, err)
		}
	}
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return nil
}
