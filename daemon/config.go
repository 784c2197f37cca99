package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/ingress"
	"github.com/dockwire/dockwire/engine"
)

// Config is how a daemon is run. Zero fields mean the defaults that stand
// beside them.
type Config struct {
	Listen         []string      // HOST:PORT or unix:///PATH of the control listeners: 127.0.0.1:7420 and the Unix socket in the runtime directory
	Ingress        []string      // HOST:PORT of the listeners for the containers' domains: 127.0.0.1:8420
	Domain         string        // the base of the containers' domains: localhost
	StateDir       string        // tokens and build logs: api.DefaultStateDir()
	Instance       string        // the label of what is ours at the engine: dockwire
	DockerHost     string        // the engine's address: DOCKER_HOST, the current Docker context, the usual sockets
	Engine         string        // docker, swarm, or auto: a swarm if the engine manages one: docker
	Managers       []string      // of a swarm: addresses of further managers, for when the first is away
	Registry       string        // of a swarm: HOST[:PORT][/PATH] where images are pushed and its nodes pull them
	NodeAPI        string        // of a swarm: the address of a node's API, in which {address} and {name} stand for its own
	NodeCA         string        // files for TLS to the nodes: the authority that signed for them
	NodeCert       string        // what we show them
	NodeKey        string        // and its key
	AllowOrigin    []string      // origins whose pages may call, beside those of localhost
	AllowHost      []string      // names that the control listeners go by, beside localhost
	AllowGit       []string      // HOST[:PORT] and CIDRs that git URLs may lead to though they are not public
	AllowImage     []string      // patterns of images that create takes though build did not make them
	Drain          time.Duration // how long a container that is stopped may finish what it answers: 10 s
	UpdateTime     time.Duration // how long the new container of an update has until it serves, besides what its HEALTHCHECK takes: 1 min
	AccessLog      bool          // a line in the log for each request to a container
	Builder        string        // auto, buildkit or classic: auto
	Builds         int           // how many builds run at once: 2
	GitCredentials string        // file of logins for private git repositories, as git credential-store keeps it
	KeepBuilds     int           // how many builds of an image are kept, besides those that containers use: 5
	KeepCache      int64         // bytes of the engine's build cache that are kept; 0 leaves it to the engine
	GitCache       int64         // bytes of the cloned repositories that are kept for the next build: 2 GiB
	GitCacheCount  int           // how many of them are kept: 100; none when negative
	BuildLimits    BuildLimits
	MinFree        int64    // bytes of a disk that builds and pulls leave free: 1 GiB, or 5 % of a small disk
	Firewall       string   // auto, manage, check or off: auto
	Reach          string   // how HTTP gets to the containers, auto, address or published: auto
	StrictRuntime  string   // the runtime of strict containers: the engine's default
	TLSCert        string   // file of the certificates that the control listeners show, but for Unix sockets: they speak in clear
	TLSKey         string   // file of their key
	PublicHost     string   // the name that the control listeners go by from elsewhere
	IngressTLS     []string // HOST:PORT of the listeners for the containers' domains that speak TLS: none
	IngressCert    string   // file of the certificates that those show, a wildcard's as a rule
	IngressKey     string   // file of their key
	ACME           bool     // get certificates for PublicHost and the containers' domains, and agree to the authority's terms
	ACMEEmail      string   // where the authority writes to
	ACMEDirectory  string   // the authority: Let's Encrypt
	ACMERoots      string   // file of certificates that the authority's own server may have, beside the system's
	BehindProxy    bool     // something in front of the control listeners speaks TLS
	LogFormat      string   // console, json or auto: console on a terminal, JSON otherwise
	LogLevel       string   // debug, info, warn or error: info
	Limits         Limits
	Version        string    // as rpc.discover and the log say it
	Stderr         io.Writer // where the log goes: os.Stderr
}

// BuildLimits bound what a build can use up.
type BuildLimits = engine.BuildLimits

// Limits bound what callers can use up. Sizes are bytes; zero fields mean the
// defaults of package rpc.
type Limits struct {
	MaxMessage, MaxAnswer      int
	MaxBatch, MaxDepth         int
	MaxCalls, MaxStreams       int // per connection
	MaxQueue, MaxQueueTotal    int64
	MaxConnections             int
	MaxUpgraded                int // WebSockets of all containers: 10,000
	WriteTimeout, PingInterval time.Duration
}

// defaultListen is Listen where nothing else is said.
func defaultListen() []string {
	return []string{api.DefaultAddress, "unix://" + api.SocketPaths()[0]}
}

// defaultIngress is Ingress where nothing else is said.
func defaultIngress() []string { return []string{"127.0.0.1:8420"} }

// withDefaults fills the fields that are zero, but for the listeners: listen
// knows whether those are open already.
func (c Config) withDefaults() Config {
	c.Domain = strings.ToLower(strings.Trim(cmp.Or(c.Domain, "localhost"), "."))
	c.StateDir = cmp.Or(c.StateDir, api.DefaultStateDir())
	c.Instance = cmp.Or(c.Instance, "dockwire")
	c.Engine = cmp.Or(c.Engine, engineDocker)
	c.Builds = cmp.Or(c.Builds, 2)
	c.PublicHost = strings.ToLower(strings.TrimSuffix(c.PublicHost, "."))
	c.Drain = cmp.Or(c.Drain, ingress.DefaultDrain)
	c.LogFormat = cmp.Or(c.LogFormat, "auto")
	c.LogLevel = cmp.Or(c.LogLevel, "info")
	c.Version = cmp.Or(c.Version, "dev")
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	return c
}

// hosts are the names that the control listeners go by, beside localhost.
func (c Config) hosts() []string {
	if c.PublicHost == "" {
		return c.AllowHost
	}
	return append(slices.Clone(c.AllowHost), c.PublicHost)
}

// check refuses what would expose the daemon, or cannot work.
func (c Config) check() error {
	if err := c.checkDomain(); err != nil {
		return err
	}
	if !slices.Contains([]string{"", engine.FirewallAuto, engine.FirewallManage, engine.FirewallCheck, engine.FirewallOff}, c.Firewall) {
		return fmt.Errorf("--firewall %s is not known: give auto, manage, check or off", c.Firewall)
	}
	if !slices.Contains([]string{"", engine.ReachAuto, engine.ReachAddress, engine.ReachPublished}, c.Reach) {
		return fmt.Errorf("--reach %s is not known: give auto, address or published", c.Reach)
	}
	if c.Builds < 1 {
		return fmt.Errorf("--builds is %d: at least one build has to run at a time", c.Builds)
	}
	if c.UpdateTime < 0 {
		return errors.New("--update-time cannot be negative")
	}
	if c.KeepBuilds < 0 || c.KeepCache < 0 || c.GitCache < 0 || c.MinFree < 0 || c.BuildLimits.Negative() {
		return errors.New("--keep-builds, --keep-cache, --git-cache, --min-free and the limits of builds cannot be negative")
	}
	if !slices.Contains([]string{engineDocker, engineSwarm, engineAuto}, c.Engine) {
		return fmt.Errorf("--engine %s is not known: give docker, swarm or auto", c.Engine)
	}
	if !slices.Contains([]string{"", "auto", "buildkit", "classic"}, c.Builder) {
		return fmt.Errorf("--builder %s is not known: give auto, buildkit or classic", c.Builder)
	}
	if err := c.Limits.check(); err != nil {
		return err
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	for _, address := range c.Listen {
		if strings.HasPrefix(address, "unix://") {
			continue
		}
		if err := c.checkReach(address); err != nil {
			return err
		}
	}
	return c.checkAllowed()
}

// check refuses limits that would let nobody in, or end every connection.
func (l Limits) check() error {
	for _, limit := range []struct {
		flag  string
		value int64
	}{
		{"--max-message", int64(l.MaxMessage)}, {"--max-answer", int64(l.MaxAnswer)}, {"--max-batch", int64(l.MaxBatch)}, {"--max-depth", int64(l.MaxDepth)},
		{"--max-calls", int64(l.MaxCalls)}, {"--max-streams", int64(l.MaxStreams)}, {"--max-queue", l.MaxQueue}, {"--max-queue-total", l.MaxQueueTotal},
		{"--max-connections", int64(l.MaxConnections)}, {"--max-upgraded", int64(l.MaxUpgraded)},
		{"--write-timeout", int64(l.WriteTimeout)}, {"--ping-interval", int64(l.PingInterval)},
	} {
		if limit.value < 0 {
			return fmt.Errorf("%s cannot be negative: there is no way to do without it, leave it out for the default", limit.flag)
		}
	}
	return nil
}

// checkAllowed refuses what looks as if it allowed something, and never would.
func (c Config) checkAllowed() error {
	for _, origin := range c.AllowOrigin {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host) || strings.Contains(origin, "*") {
			return fmt.Errorf("--allow-origin %s is not an origin as browsers write it: give SCHEME://HOST or SCHEME://HOST:PORT in lower case, without a path", origin)
		}
	}
	for _, pattern := range c.AllowImage {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("--allow-image %s is not a pattern: a [ has no ], or a \\ nothing behind it", pattern)
		}
	}
	for _, host := range c.AllowHost {
		if host == "" || strings.ContainsAny(host, "/*@ ") {
			return fmt.Errorf("--allow-host %s is not a host name: give one without scheme, path and *", host)
		}
	}
	return nil
}

// domainBase is what names are put before.
var domainBase = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkDomain refuses a base that no host can be under.
func (c Config) checkDomain() error {
	if !domainBase.MatchString(c.Domain) {
		return fmt.Errorf("--domain %s is not a domain: give labels of a-z, 0-9 and - with dots between them", c.Domain)
	}
	return nil
}

// ErrConfig is in the error of Run for a configuration that cannot be.
var ErrConfig = errors.New("the configuration is wrong")

// wrongConfig is what is wrong with one.
type wrongConfig struct{ error }

func (w wrongConfig) Is(target error) bool { return target == ErrConfig }
func (w wrongConfig) Unwrap() error        { return w.error }

// checkReach refuses a control listener that others could listen to.
func (c Config) checkReach(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen %s is neither HOST:PORT nor unix:///PATH", address)
	}
	if !loopback(host) && c.TLSCert == "" && !(c.ACME && c.PublicHost != "") && !c.BehindProxy {
		return fmt.Errorf("--listen %s can be reached from other machines, and the token would cross the network in clear: listen on 127.0.0.1, give --tls-cert and --tls-key, or --public-host and --acme, or say with --behind-proxy that something in front speaks TLS", address)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
