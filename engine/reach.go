package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/docker/docker/api/types/container"
	dockersystem "github.com/docker/docker/api/types/system"
	"github.com/docker/go-connections/nat"

	"github.com/dockwire/dockwire/client/api"
)

// The values of Config.Reach: where HTTP for a container goes.
const (
	ReachAuto      = "auto"      // published where the engine is rootless or Docker Desktop's, else address
	ReachAddress   = "address"   // to its own address
	ReachPublished = "published" // to a port of this host's loopback, at which the engine publishes it
)

func checkReach(way string) error {
	switch way {
	case "", ReachAuto, ReachAddress, ReachPublished:
		return nil
	}
	return fmt.Errorf("the way to reach containers %s is not known: give auto, address or published", quote(way))
}

// whyUnreached says why the addresses of an engine's containers lead nowhere from
// its host; "" when they do lead there, as far as it says.
func whyUnreached(info *dockersystem.Info) string {
	switch {
	case rootless(info):
		return "the engine runs without root, in a network of its own"
	case info.OperatingSystem == "Docker Desktop":
		return "Docker Desktop's engine is in a virtual machine"
	}
	return ""
}

// chooseReach gives what the configuration means at an engine.
func chooseReach(way string, info *dockersystem.Info) string {
	switch {
	case way != ReachAuto:
		return way
	case whyUnreached(info) != "":
		return ReachPublished
	}
	return ReachAddress
}

// publishes says whether containers are reached at published ports. It is known
// once the engine has answered.
func (e *Engine) publishes() bool {
	info := e.info.Load()
	return info != nil && chooseReach(e.cfg.Reach, info) == ReachPublished
}

// loopback is where ports are published: other machines do not reach it.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// publishedPort gives the engine's name for the port that a container serves.
func publishedPort(port int) nat.Port { return nat.Port(fmt.Sprintf("%d/tcp", port)) }

// publication has the one port of a container published at any free one. It is
// another after each start.
func publication(port int) nat.PortMap {
	return nat.PortMap{publishedPort(port): {{HostIP: loopback.String()}}}
}

// checkPublished refuses a container whose port cannot be published. Engines say
// nothing of it, and leave it out.
func checkPublished(s spec) error {
	if !s.publishes() || !s.strict() {
		return nil
	}
	return invalid("profile", "the strict profile is not possible here for what serves HTTP: its network has no way out, and in such a one no engine publishes ports, which is how containers are reached here: give the default profile, or port 0")
}

// reachOf gives where a container is reached from this host; nothing when it is
// not.
func (e *Engine) reachOf(c container.InspectResponse, port int) netip.AddrPort {
	switch {
	case c.NetworkSettings == nil:
		return netip.AddrPort{}
	case e.publishes() && port != 0:
		return publishedAt(c, port)
	}
	return portOn(addressAmong(c.NetworkSettings.Networks), port)
}

// listedAt is reachOf for what the engine lists.
func (e *Engine) listedAt(c container.Summary, port int) netip.AddrPort {
	switch {
	case e.publishes() && port != 0:
		return listedPublished(c, port)
	case c.NetworkSettings == nil:
		return netip.AddrPort{}
	}
	return portOn(addressAmong(c.NetworkSettings.Networks), port)
}

func portOn(addr netip.Addr, port int) netip.AddrPort {
	if !addr.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

func publishedAt(c container.InspectResponse, port int) netip.AddrPort {
	for _, binding := range c.NetworkSettings.Ports[publishedPort(port)] {
		at, err := netip.ParseAddrPort(binding.HostIP + ":" + binding.HostPort)
		if err == nil && at.Addr() == loopback && at.Port() != 0 {
			return at
		}
	}
	return netip.AddrPort{}
}

func listedPublished(c container.Summary, port int) netip.AddrPort {
	for _, p := range c.Ports {
		if int(p.PrivatePort) == port && p.Type == "tcp" && p.IP == loopback.String() && p.PublicPort != 0 {
			return netip.AddrPortFrom(loopback, p.PublicPort)
		}
	}
	return netip.AddrPort{}
}

// Leads asks the engine whether a Route leads to its container still: to the very
// start of it that the Route was given for, at the same address. With a port that
// is published, a connection that was made before leads there then, too: the
// engine gives such a port to nobody else as long as that start lasts.
func (e *Engine) Leads(ctx context.Context, r Route) error {
	c, err := ask(ctx, func(ctx context.Context) (container.InspectResponse, error) { return e.cli.ContainerInspect(ctx, r.ID) })
	if err != nil {
		return e.wrap(err, kindContainer, r.Name, "it is not known whether %s is where it was", r.Name)
	}
	now := e.recordOf(c)
	if now.State != api.StateRunning || now.Started != r.Started || now.addr != r.Address {
		return &Error{Class: NotRunning, Reason: r.Name + " has ended or was started again, and is not where it was", Data: api.ErrorData{Kind: kindContainer, Name: r.Name}}
	}
	return nil
}

// relayTime is how long a connection to a published port is watched. The engine's
// end is on this host, and closes at once what leads nowhere.
const relayTime = 250 * time.Millisecond

// StaysOpen says whether the other end of a connection to a published port keeps
// it, when nothing is said on it. An engine that relays a port accepts any, and
// closes those at once that the container refuses. It takes a quarter of a second.
func StaysOpen(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(relayTime))
	_, err := conn.Read(make([]byte, 1))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}
