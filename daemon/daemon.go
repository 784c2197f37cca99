// Package daemon joins the rest to a running dockwire: the method table, the
// streams, access, the ingress, configuration, and the order in which all of it
// starts and ends.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/daemon/builds"
	"github.com/dockwire/dockwire/daemon/ingress"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/rpc"
)

// shutdownTime is how long an orderly end may take.
const shutdownTime = 12 * time.Second

// Daemon is a dockwire that runs.
type Daemon struct {
	cfg     Config
	methods methodTable
	log     *zap.Logger
	audit   *zap.Logger
	engine  Engine
	builds  *builds.Jobs
	order   *orderer
	rpc     *rpc.Server
	ingress *ingress.Ingress
	tokens  *access.Tokens

	certificates *certificates
}

// Run runs a daemon until ctx ends, then ends it in order: no more connections,
// then the streams, then the builds. It returns nil after that, and an error
// when the daemon could not start or a listener failed. The engine need not be
// up. The error for a configuration that cannot be is an ErrConfig.
func Run(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return wrongConfig{err}
	}
	log, err := newLog(cfg)
	if err != nil {
		return wrongConfig{err}
	}
	defer log.Sync()
	unlock, err := openStateDir(cfg.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	lns, err := listen(cfg)
	if err != nil {
		return err
	}
	d, err := newDaemon(ctx, cfg, log, lns)
	if err != nil {
		return errors.Join(err, lns.close())
	}
	return d.serve(ctx, lns)
}

func newDaemon(ctx context.Context, cfg Config, log *zap.Logger, lns *listeners) (*Daemon, error) {
	d := &Daemon{cfg: cfg, methods: allMethods(), log: log, audit: log.Named("audit"), order: newOrderer()}
	d.ingress = ingress.New(d.ingressOptions())
	var err error
	if d.certificates, err = openCertificates(cfg, lns, d.ingress.Knows, log); err != nil {
		return nil, err
	}
	d.tokens, err = access.OpenTokens(cfg.StateDir, api.TokenFile(cfg.StateDir), log.Named("access"))
	if err != nil {
		return nil, err
	}
	clones := filepath.Join(cfg.StateDir, "clones")
	if err := os.MkdirAll(clones, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the clones: %w", err)
	}
	settings := cfg.engine()
	settings.Ingress, settings.TempDir, settings.Log = lns.ingressURL(cfg.Domain), clones, log.Named("engine")
	settings.CacheDir, settings.Router = filepath.Join(cfg.StateDir, "repositories"), d.ingress
	settings.Swarm.LogDir = filepath.Join(cfg.StateDir, "logs")
	d.engine, err = cfg.openEngine(ctx, settings)
	if err != nil {
		return nil, err
	}
	d.builds, err = builds.Open(filepath.Join(cfg.StateDir, "builds"), cfg.Builds, d.runBuild, log.Named("builds"))
	if err != nil {
		return nil, errors.Join(err, d.engine.Close())
	}
	d.rpc = rpc.NewServer(d.rpcOptions())
	return d, nil
}

// engine says how the engine is driven, as far as the configuration decides it.
func (c Config) engine() engine.Config {
	return engine.Config{
		Host: c.DockerHost, Instance: c.Instance, Base: c.Domain,
		AllowImages: c.AllowImage, AllowGit: c.AllowGit, Builder: c.Builder,
		Firewall: c.Firewall, Reach: c.Reach, StrictRuntime: c.StrictRuntime,
		GitCredentials: c.GitCredentials, KeepBuilds: c.KeepBuilds, KeepCache: c.KeepCache,
		CacheBytes: c.GitCache, CacheRepositories: c.GitCacheCount,
		BuildLimits: c.BuildLimits, MinFree: c.MinFree, Drain: max(0, c.Drain), UpdateTime: c.UpdateTime,
		Swarm: engine.SwarmConfig{
			Registry: c.Registry, Managers: c.Managers, NodeAPI: c.NodeAPI, NodeCA: c.NodeCA, NodeCert: c.NodeCert, NodeKey: c.NodeKey,
		},
	}
}

// ingressOptions says how the ingress works.
func (d *Daemon) ingressOptions() ingress.Options {
	options := ingress.Options{Drain: d.cfg.Drain, MaxUpgraded: d.cfg.Limits.MaxUpgraded, Log: d.log.Named("ingress")}
	options.Ready = func() bool { return d.engine.Up() }
	options.Leads = func(ctx context.Context, r engine.Route) error { return d.engine.Leads(ctx, r) }
	options.Secured = func(host string) string { return d.certificates.secured(host) }
	if d.cfg.ACME {
		options.Challenge = func(w http.ResponseWriter, r *http.Request) bool { return d.certificates.acme.Answer(w, r) }
	}
	if d.cfg.AccessLog {
		options.Access = d.log.Named("access")
	}
	return options
}

func (d *Daemon) rpcOptions() *rpc.Options {
	l := d.cfg.Limits
	return &rpc.Options{
		MaxMessage: l.MaxMessage, MaxAnswer: l.MaxAnswer, MaxBatch: l.MaxBatch, MaxDepth: l.MaxDepth,
		MaxCalls: l.MaxCalls, MaxStreams: l.MaxStreams, MaxQueue: int(l.MaxQueue), MaxQueueTotal: int(l.MaxQueueTotal),
		MaxConnections: l.MaxConnections, WriteTimeout: l.WriteTimeout, PingInterval: l.PingInterval,
		MapError: wireError, Internal: d.logInternal, Done: d.auditCall,
	}
}

// serve runs the parts side by side. The first that fails ends the others.
func (d *Daemon) serve(ctx context.Context, lns *listeners) error {
	group, running := errgroup.WithContext(ctx)
	var servers []*http.Server
	start := func(server *http.Server, ln net.Listener) {
		servers = append(servers, server)
		group.Go(func() error {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	for _, ln := range lns.control {
		c := &control{daemon: d}
		if ln.Addr().Network() != "unix" {
			c.guard = d.guard()
			ln = d.encrypted(ln)
		}
		start(c.server(), ln)
	}
	for _, ln := range lns.ingress {
		group.Go(func() error { return d.ingress.Serve(ln, nil) })
	}
	for _, ln := range lns.secure {
		group.Go(func() error { return d.ingress.Serve(ln, d.certificates.forIngress()) })
	}
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	group.Go(func() error { return ignoreCancel(d.engine.Run(engineCtx)) })
	group.Go(func() error { return d.tokens.Watch(engineCtx) })
	group.Go(func() error { return d.watchdog(engineCtx) })
	group.Go(func() error { return d.letGoOfStart(running) })
	group.Go(func() error {
		<-running.Done()
		defer stopEngine() // last: what ends before it still needs the engine
		return d.shutdown(context.WithoutCancel(ctx), servers)
	})
	d.log.Info("ready", zap.Strings("listen", urls(d.scheme(), lns.control)), zap.Strings("ingress", append(urls("http", lns.ingress), urls("https", lns.secure)...)),
		zap.String("instance", d.cfg.Instance), zap.String("version", d.cfg.Version))
	d.showLink(lns)
	d.tell(systemd.SdNotifyReady)
	err := group.Wait()
	return errors.Join(err, d.engine.Close())
}

func (d *Daemon) shutdown(ctx context.Context, servers []*http.Server) error {
	d.log.Info("ending")
	d.tell(systemd.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	var closing errgroup.Group
	for _, server := range servers {
		closing.Go(func() error { return server.Shutdown(ctx) })
	}
	closing.Go(func() error { return d.rpc.Shutdown(ctx) })
	closing.Go(func() error { return d.builds.Close(ctx) })
	closing.Go(func() error { d.ingress.Shutdown(ctx); return nil })
	err := closing.Wait()
	d.certificates.close()
	d.log.Info("ended", zap.Error(err))
	return err
}

// guard checks the callers of a control listener that is no Unix socket.
func (d *Daemon) guard() *access.Guard {
	return &access.Guard{Tokens: d.tokens, Hosts: d.cfg.hosts(), Origins: d.cfg.AllowOrigin, BehindProxy: d.cfg.BehindProxy}
}

func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
