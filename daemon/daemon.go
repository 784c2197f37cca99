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
	engine  *engine.Engine
	builds  *builds.Jobs
	order   *orderer
	rpc     *rpc.Server
	ingress *ingress.Ingress
	guard   *access.Guard
}

// Run runs a daemon until ctx ends, then ends it in order: no more connections,
// then the streams, then the builds. It returns nil after that, and an error
// when the daemon could not start or a listener failed. The engine need not be
// up.
func Run(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return err
	}
	log, err := newLog(cfg)
	if err != nil {
		return err
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
	d, err := newDaemon(cfg, log, lns)
	if err != nil {
		return errors.Join(err, lns.close())
	}
	return d.serve(ctx, lns)
}

func newDaemon(cfg Config, log *zap.Logger, lns *listeners) (*Daemon, error) {
	d := &Daemon{cfg: cfg, methods: allMethods(), log: log, order: newOrderer()}
	token, err := access.AdminToken(api.TokenFile(cfg.StateDir))
	if err != nil {
		return nil, err
	}
	d.guard = &access.Guard{Token: token, Hosts: cfg.AllowHost, Origins: cfg.AllowOrigin}
	clones := filepath.Join(cfg.StateDir, "clones")
	if err := os.MkdirAll(clones, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the clones: %w", err)
	}
	d.engine, err = engine.New(engine.Config{
		Host: cfg.DockerHost, Instance: cfg.Instance, Base: cfg.Domain, Ingress: lns.ingressURL(cfg.Domain),
		AllowImages: cfg.AllowImage, AllowGit: cfg.AllowGit, Builder: cfg.Builder,
		TempDir: clones, Log: log.Named("engine"),
	})
	if err != nil {
		return nil, err
	}
	d.builds, err = builds.Open(filepath.Join(cfg.StateDir, "builds"), cfg.Builds, d.runBuild, log.Named("builds"))
	if err != nil {
		return nil, errors.Join(err, d.engine.Close())
	}
	d.ingress = ingress.New(d.engine, log.Named("ingress"))
	d.rpc = rpc.NewServer(d.rpcOptions())
	return d, nil
}

func (d *Daemon) rpcOptions() *rpc.Options {
	l := d.cfg.Limits
	return &rpc.Options{
		MaxMessage: l.MaxMessage, MaxAnswer: l.MaxAnswer, MaxBatch: l.MaxBatch, MaxDepth: l.MaxDepth,
		MaxCalls: l.MaxCalls, MaxStreams: l.MaxStreams, MaxQueue: int(l.MaxQueue), MaxQueueTotal: int(l.MaxQueueTotal),
		MaxConnections: l.MaxConnections, WriteTimeout: l.WriteTimeout, PingInterval: l.PingInterval,
		MapError: wireError, Internal: d.logInternal, Done: d.audit,
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
		guard := d.guard
		if ln.Addr().Network() == "unix" {
			guard = nil
		}
		start((&control{daemon: d, guard: guard}).server(), ln)
	}
	for _, ln := range lns.ingress {
		start(d.ingress.Server(), ln)
	}
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	group.Go(func() error { return ignoreCancel(d.engine.Run(engineCtx)) })
	group.Go(func() error {
		<-running.Done()
		defer stopEngine() // last: what ends before it still needs the engine
		return d.shutdown(context.WithoutCancel(ctx), servers)
	})
	d.log.Info("ready", zap.Strings("listen", urls("ws", lns.control)), zap.Strings("ingress", urls("http", lns.ingress)),
		zap.String("instance", d.cfg.Instance), zap.String("version", d.cfg.Version))
	err := group.Wait()
	return errors.Join(err, d.engine.Close())
}

func (d *Daemon) shutdown(ctx context.Context, servers []*http.Server) error {
	d.log.Info("ending")
	ctx, cancel := context.WithTimeout(ctx, shutdownTime)
	defer cancel()
	var closing errgroup.Group
	for _, server := range servers {
		closing.Go(func() error { return server.Shutdown(ctx) })
	}
	closing.Go(func() error { return d.rpc.Shutdown(ctx) })
	closing.Go(func() error { return d.builds.Close(ctx) })
	err := closing.Wait()
	d.ingress.Close()
	d.log.Info("ended", zap.Error(err))
	return err
}

func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
