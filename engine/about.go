package engine

import (
	"context"
	"net"
	"net/url"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// DefaultHost is where the engine of a host listens unless it was told
// otherwise.
const DefaultHost = client.DefaultDockerHost

// oldestAPI is the first that has all that makes a container safe: private
// cgroup namespaces came last, with Docker 20.10.
const oldestAPI = "1.41"

// About is what an engine says of itself, for those who look after its host.
type About struct {
	Version, API string
	Kernel       string
	Cgroup       string // the version of its cgroups: 1 or 2
	Storage      string // the driver that keeps images and containers
	Root         string // where that keeps them, on the engine's host
	TooOld       bool   // for containers that are cut off as they have to be
	Remote       bool   // it is on another host, as far as its address says
	Reach        string // how its containers are reached: ReachAddress or ReachPublished
	Unreached    string // why they are not reached at their addresses; empty when they are, as far as it says
}

// Host gives the engine's address.
func (e *Engine) Host() string { return e.cli.DaemonHost() }

// Source names what says where the engine is: --docker-host, DOCKER_HOST or a
// Docker context; "" is none of them, so that it is looked for at the usual
// sockets. The error says that what it names is wrong.
func Source(host string) (string, error) {
	source, _, err := resolve(host)
	return source, err
}

// About asks the engine about itself. Unlike other calls it does not need Run.
func (e *Engine) About(ctx context.Context) (About, error) {
	info, err := within(ctx, syncTimeout, e.cli.Info)
	if err != nil {
		return About{}, e.wrap(err, "", "", "the engine at %s says nothing about itself", e.Host())
	}
	agreed := e.cli.ClientVersion()
	return About{
		Version: info.ServerVersion, API: agreed, Kernel: info.KernelVersion,
		Cgroup: info.CgroupVersion, Storage: info.Driver, Root: info.DockerRootDir,
		TooOld: versions.LessThan(agreed, oldestAPI),
		Remote: remote(e.Host()),
		Reach:  chooseReach(e.cfg.Reach, &info), Unreached: whyUnreached(&info),
	}, nil
}

// Survey is Unenforced for those who do not Run the engine. It leaves the
// firewall as Run would when it ends.
func (e *Engine) Survey(ctx context.Context) ([]Gap, error) {
	info, err := within(ctx, syncTimeout, e.cli.Info)
	if err != nil {
		return nil, e.wrap(err, "", "", "the engine at %s says nothing about itself", e.Host())
	}
	chosen := e.chooseFirewall(&info)
	e.info.Store(&info)
	e.firewallMode.Store(&chosen)
	defer e.leaveFirewall(ctx)
	return e.gaps(ctx, &info), nil
}

// remote says whether an address leads to another host.
func remote(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "unix" || u.Scheme == "npipe" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && !ip.IsLoopback()
}
