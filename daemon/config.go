package daemon

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// Config is how a daemon is run. Zero fields mean the defaults that stand
// beside them.
type Config struct {
	Listen      []string // HOST:PORT or unix:///PATH of the control listeners: 127.0.0.1:7420 and the Unix socket in the runtime directory
	Ingress     []string // HOST:PORT of the listeners for the containers' domains: 127.0.0.1:8420
	Domain      string   // the base of the containers' domains: localhost
	StateDir    string   // tokens and build logs: api.DefaultStateDir()
	Instance    string   // the label of what is ours at the engine: dockwire
	DockerHost  string   // the engine's address: DOCKER_HOST, the current Docker context, the usual sockets
	AllowOrigin []string // origins whose pages may call, beside those of localhost
	AllowHost   []string // names that the control listeners go by, beside localhost
	AllowGit    []string // HOST[:PORT] and CIDRs that git URLs may lead to though they are not public
	AllowImage  []string // patterns of images that create takes though build did not make them
	Builder     string   // auto, buildkit or classic: auto
	Builds      int      // how many builds run at once: 2
	BehindProxy bool     // something in front of the control listeners speaks TLS
	LogFormat   string   // console, json or auto: console on a terminal, JSON otherwise
	LogLevel    string   // debug, info, warn or error: info
	Limits      Limits
	Version     string    // as rpc.discover and the log say it
	Stderr      io.Writer // where the log goes: os.Stderr
}

// Limits bound what callers can use up. Sizes are bytes; zero fields mean the
// defaults of package rpc.
type Limits struct {
	MaxMessage, MaxAnswer      int
	MaxBatch, MaxDepth         int
	MaxCalls, MaxStreams       int // per connection
	MaxQueue, MaxQueueTotal    int64
	MaxConnections             int
	WriteTimeout, PingInterval time.Duration
}

// withDefaults fills the fields that are zero.
func (c Config) withDefaults() Config {
	if len(c.Listen) == 0 {
		c.Listen = []string{"127.0.0.1:7420", "unix://" + api.SocketPaths()[0]}
	}
	if len(c.Ingress) == 0 {
		c.Ingress = []string{"127.0.0.1:8420"}
	}
	c.Domain = strings.ToLower(strings.Trim(cmp.Or(c.Domain, "localhost"), "."))
	c.StateDir = cmp.Or(c.StateDir, api.DefaultStateDir())
	c.Instance = cmp.Or(c.Instance, "dockwire")
	c.Builds = cmp.Or(c.Builds, 2)
	c.LogFormat = cmp.Or(c.LogFormat, "auto")
	c.LogLevel = cmp.Or(c.LogLevel, "info")
	c.Version = cmp.Or(c.Version, "dev")
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	return c
}

// check refuses what would expose the daemon, or cannot work.
func (c Config) check() error {
	if c.Builds < 1 {
		return fmt.Errorf("--builds is %d: at least one build has to run at a time", c.Builds)
	}
	for _, address := range c.Listen {
		if strings.HasPrefix(address, "unix://") {
			continue
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("--listen %s is neither HOST:PORT nor unix:///PATH", address)
		}
		if !loopback(host) && !c.BehindProxy {
			return fmt.Errorf("--listen %s can be reached from other machines, and the token would cross the network in clear: listen on 127.0.0.1, or say with --behind-proxy that something in front speaks TLS", address)
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
