package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
)

// Swarm is a swarm of three engines of a current version, each in a network
// namespace of its own, and a registry, all on one bridge that this process
// reaches. The first node manages it; the second does too, if it was asked for.
type Swarm struct {
	Nodes    []*Node
	Registry string // HOST:PORT
	TLS      TLSFiles

	t      testing.TB
	dir    string
	tag    string // the beginning of the names of what is made on this host
	subnet string // its first three numbers
}

// heartbeat is how often a node tells that it is there. After three that are
// missing it is down.
const heartbeat = 4 * time.Second

// The engines of a swarm, and how long one has to start.
const (
	swarmSize  = 3
	startLimit = time.Minute
)

// NewSwarm makes a swarm whose first managers nodes manage it. All of it is gone
// when the test ends: containers, engines, networks, files. It takes root, and
// the engine's programs in .cache/current/bin, where .ci/setup current puts them.
func NewSwarm(t testing.TB, managers int) *Swarm {
	t.Helper()
	dir, err := os.MkdirTemp("", "dw") // t.TempDir can be longer than a socket's path may be
	if err != nil {
		t.Fatal(err)
	}
	s := &Swarm{t: t, dir: dir, tag: fmt.Sprintf("dw%x", os.Getpid()&0xfffff)}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.makeBridge()
	s.TLS = makeTLS(t, dir, s.addresses())
	s.startRegistry()
	for i := range swarmSize {
		s.Nodes = append(s.Nodes, s.newNode(i))
	}
	for _, n := range s.Nodes {
		n.Start()
	}
	s.join(managers)
	return s
}

// makeBridge makes the network that all are on, in a namespace of its own: the
// firewall of an engine on this host has no say there.
func (s *Swarm) makeBridge() {
	hub := s.tag + "-hub"
	s.ip("netns", "add", hub)
	s.t.Cleanup(func() { s.ip("netns", "del", hub) })
	s.subnet = s.freeSubnet()
	s.ip("-n", hub, "link", "add", "br0", "type", "bridge")
	s.ip("-n", hub, "addr", "add", s.subnet+".1/24", "dev", "br0")
	s.ip("-n", hub, "link", "set", "br0", "up")
	s.ip("-n", hub, "link", "set", "lo", "up")
	s.ip("link", "add", s.tag, "type", "veth", "peer", "name", "host", "netns", hub)
	s.ip("-n", hub, "link", "set", "host", "master", "br0", "up")
	s.ip("addr", "add", s.subnet+".254/24", "dev", s.tag)
	s.ip("link", "set", s.tag, "up")
}

// freeSubnet gives one that this host has no address in.
func (s *Swarm) freeSubnet() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range 200 {
		subnet := fmt.Sprintf("10.97.%d", (os.Getpid()+i)%200)
		taken := false
		for _, addr := range addrs {
			taken = taken || strings.HasPrefix(addr.String(), subnet+".")
		}
		if !taken {
			return subnet
		}
	}
	s.t.Fatal("no subnet is free")
	return ""
}

func (s *Swarm) addresses() (all []string) {
	for i := range swarmSize {
		all = append(all, s.address(i))
	}
	return all
}

func (s *Swarm) address(i int) string { return fmt.Sprintf("%s.%d", s.subnet, 11+i) }

func (s *Swarm) ip(args ...string) { s.run("ip", args...) }

func (s *Swarm) run(name string, args ...string) {
	s.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func (s *Swarm) startRegistry() {
	s.Registry = s.subnet + ".1:5000"
	config := filepath.Join(s.dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}, delete: {enabled: true}}\nhttp: {addr: %s}\n", s.dir, s.Registry)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	serve := exec.Command("nsenter", "--net=/run/netns/"+s.tag+"-hub", "docker-registry", "serve", config)
	if err := serve.Start(); err != nil {
		s.t.Fatalf("the tests need the package docker-registry: %v", err)
	}
	s.t.Cleanup(func() { serve.Process.Kill(); serve.Wait() })
	s.await("the registry answers", func() error {
		conn, err := net.Dial("tcp", s.Registry)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// await waits until a question is answered without an error.
func (s *Swarm) await(what string, ask func() error) {
	s.t.Helper()
	deadline := time.Now().Add(startLimit)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not happen that %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// join makes a swarm of the engines.
func (s *Swarm) join(managers int) {
	ctx, first := context.Background(), s.Nodes[0]
	_, err := first.Client().SwarmInit(ctx, swarm.InitRequest{ListenAddr: "0.0.0.0:2377", AdvertiseAddr: first.Address, Spec: swarm.Spec{
		Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: heartbeat},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.removeServices)
	tokens, err := first.Client().SwarmInspect(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, n := range s.Nodes[1:] {
		token := tokens.JoinTokens.Worker
		if i+1 < managers {
			token = tokens.JoinTokens.Manager
		}
		err := n.Client().SwarmJoin(ctx, swarm.JoinRequest{ListenAddr: "0.0.0.0:2377", AdvertiseAddr: n.Address, RemoteAddrs: []string{first.Address}, JoinToken: token})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.await("all nodes are ready", func() error { return s.ready(ctx) })
}

func (s *Swarm) ready(ctx context.Context) error {
	nodes, err := s.Nodes[0].Client().NodeList(ctx, swarm.NodeListOptions{})
	if err != nil || len(nodes) < len(s.Nodes) {
		return errors.Join(err, fmt.Errorf("there are %d nodes", len(nodes)))
	}
	for _, n := range nodes {
		if n.Status.State != swarm.NodeStateReady {
			return fmt.Errorf("%s is %s", n.Description.Hostname, n.Status.State)
		}
	}
	return nil
}

// removeServices stops what runs, for an engine leaves its containers to its
// host when it ends.
func (s *Swarm) removeServices() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanup)
	defer cancel()
	cli := s.Nodes[0].Client()
	services, err := cli.ServiceList(ctx, swarm.ServiceListOptions{})
	if err != nil {
		return // its engine was killed, and its containers are killed next
	}
	for _, service := range services {
		s.t.Errorf("the service %s is left", service.Spec.Name)
		if err := cli.ServiceRemove(ctx, service.ID); err != nil && !errdefs.IsNotFound(err) {
			s.t.Error(err)
		}
	}
}
