package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/docker/docker/client"
)

// Node is one engine of a Swarm.
type Node struct {
	Name    string // its host name
	Address string
	Socket  string // unix:///PATH of its API

	swarm  *Swarm
	dir    string
	netns  string
	engine *exec.Cmd // nil while it does not run
	cli    *client.Client
}

// Client gives a client of the node's API.
func (n *Node) Client() *client.Client { return n.cli }

// API gives the address of its API for those who have the swarm's TLS files.
func (n *Node) API() string { return "tcp://" + n.Address + ":" + apiPort }

const apiPort = "2376"

func (s *Swarm) newNode(i int) *Node {
	n := &Node{Name: fmt.Sprintf("node%d", i+1), Address: s.address(i), swarm: s, netns: fmt.Sprintf("%s-n%d", s.tag, i+1)}
	n.dir = filepath.Join(s.dir, n.Name)
	n.Socket = "unix://" + filepath.Join(n.dir, "docker.sock")
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.ip("netns", "add", n.netns)
	s.t.Cleanup(func() { s.ip("netns", "del", n.netns) })
	s.t.Cleanup(n.Crash)
	port := fmt.Sprintf("n%d", i+1)
	s.ip("-n", s.tag+"-hub", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", n.netns)
	s.ip("-n", s.tag+"-hub", "link", "set", port, "master", "br0", "up")
	s.ip("-n", n.netns, "addr", "add", n.Address+"/24", "dev", "eth0")
	s.ip("-n", n.netns, "link", "set", "eth0", "up")
	s.ip("-n", n.netns, "link", "set", "lo", "up")
	s.ip("-n", n.netns, "route", "add", "default", "via", s.subnet+".1")
	cli, err := client.NewClientWithOpts(client.WithHost(n.Socket), client.WithAPIVersionNegotiation())
	if err != nil {
		s.t.Fatal(err)
	}
	n.cli = cli
	s.t.Cleanup(func() { cli.Close() })
	return n
}

// startEngine starts an engine with namespaces of its own for mounts and the
// host name. Name look-ups, which lead nowhere here, fail at once.
const startEngine = `mount --make-rprivate / && mount --bind "$1" /etc/resolv.conf && hostname "$2" && shift 2 && exec dockerd "$@"`

// Start starts the engine, and returns when it answers.
func (n *Node) Start() {
	s := n.swarm
	resolv := filepath.Join(n.dir, "resolv.conf")
	log, err := os.Create(filepath.Join(n.dir, "dockerd.log"))
	if err == nil {
		err = os.WriteFile(resolv, []byte("nameserver 127.0.0.1\n"), 0o644)
	}
	os.Remove(filepath.Join(n.dir, "pid")) // of one that was killed, and whose number another process may have by now
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	programs := filepath.Join(moduleRoot(s.t), ".cache", "current", "bin")
	if _, err := os.Stat(filepath.Join(programs, "dockerd")); err != nil {
		s.t.Fatalf("the tests of a swarm need a current engine: run .ci/setup current: %v", err)
	}
	n.engine = exec.Command("nsenter", "--net=/run/netns/"+n.netns, "unshare", "--mount", "--uts", "sh", "-c", startEngine, "sh", resolv, n.Name,
		"--data-root", filepath.Join(n.dir, "data"), "--exec-root", n.execRoot(), "--pidfile", filepath.Join(n.dir, "pid"),
		"--host", n.Socket, "--host", n.API(), "--tlsverify", "--tlscacert", s.TLS.CA, "--tlscert", s.TLS.Cert, "--tlskey", s.TLS.Key,
		"--insecure-registry", s.Registry)
	n.engine.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	n.engine.Stdout, n.engine.Stderr = log, log
	if err := n.engine.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.await(n.Name+" answers", func() error {
		_, err := n.cli.Ping(context.Background())
		return err
	})
}

func (n *Node) execRoot() string { return filepath.Join(n.dir, "exec") }

// Kill kills the engine, as a crash of it does: its containers run on.
func (n *Node) Kill() {
	if n.engine != nil {
		n.engine.Process.Kill()
		n.engine.Wait()
		n.engine = nil
	}
}

// Crash kills the engine and all its containers, as a crash of its host does.
func (n *Node) Crash() {
	n.Kill()
	for _, pid := range n.processes() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// processes gives the processes that the engine has started, containers too.
// They are told by their parents, up to one that was started with its directory.
func (n *Node) processes() (all []int) {
	parents := map[int]int{}
	ours := map[int]bool{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		ours[pid] = bytes.Contains(command, []byte(n.execRoot()))
		parents[pid] = parentOf(pid)
	}
	for pid := range parents {
		for above := pid; above > 1; above = parents[above] {
			if ours[above] {
				all = append(all, pid)
				break
			}
		}
	}
	return all
}

func parentOf(pid int) (parent int) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndexByte(stat, ')'); i > 0 {
		var state string
		fmt.Sscan(string(stat[i+1:]), &state, &parent)
	}
	return parent
}
