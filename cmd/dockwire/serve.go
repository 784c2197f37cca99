package main

import (
	"github.com/dockwire/dockwire/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) serve() *cobra.Command {
	cfg := daemon.Config{Version: buildVersion(), Stderr: a.stderr}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Run the daemon, until it is interrupted.

Each flag can be given as an environment variable too: --max-batch is
DOCKWIRE_MAX_BATCH. A flag wins over its variable. In the variable of a repeatable
flag a comma stands between the values.`,
		Args: cobra.NoArgs,
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, &cfg)
	limitFlags(flags, &cfg.Limits)
	cmd.Flags().AddFlagSet(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(flags); err != nil {
			return err
		}
		return daemon.Run(cmd.Context(), cfg)
	}
	return cmd
}

func serveFlags(flags *pflag.FlagSet, cfg *daemon.Config) {
	flags.StringSliceVar(&cfg.Listen, "listen", nil, "where calls come in, `HOST:PORT` or unix:///PATH (repeatable; default 127.0.0.1:7420 and the Unix socket)")
	flags.StringSliceVar(&cfg.Ingress, "ingress", nil, "where HTTP for the containers comes in, `HOST:PORT` (repeatable; default 127.0.0.1:8420)")
	flags.StringVar(&cfg.Domain, "domain", "", "the base of the containers' domains (default localhost)")
	flags.StringVar(&cfg.StateDir, "state-dir", "", "where the state is kept (default /var/lib/dockwire for root, else $XDG_STATE_HOME/dockwire)")
	flags.StringVar(&cfg.Instance, "instance", "", "the label of what belongs to this daemon (default dockwire)")
	flags.StringVar(&cfg.DockerHost, "docker-host", "", "the engine's address (default DOCKER_HOST, the current Docker context, the usual sockets)")
	flags.StringSliceVar(&cfg.AllowOrigin, "allow-origin", nil, "an `origin`, SCHEME://HOST:PORT, whose pages may call (repeatable)")
	flags.StringSliceVar(&cfg.AllowHost, "allow-host", nil, "a host `name` that the daemon may be called by (repeatable)")
	flags.StringSliceVar(&cfg.AllowGit, "allow-git", nil, "`HOST[:PORT]` or CIDR that git URLs may point to though it is not public (repeatable)")
	flags.StringSliceVar(&cfg.AllowImage, "allow-image", nil, "a `pattern` of images that containers may be made of though they were not built here (repeatable)")
	flags.StringVar(&cfg.Builder, "builder", "", "auto, buildkit or classic (default auto)")
	flags.IntVar(&cfg.Builds, "builds", 0, "how many builds run at once (default 2)")
	flags.StringVar(&cfg.LogFormat, "log-format", "", "console, json or auto: console on a terminal (default auto)")
	flags.StringVar(&cfg.LogLevel, "log-level", "", "debug, info, warn or error (default info)")
	flags.BoolVar(&cfg.BehindProxy, "behind-proxy", false, "something in front speaks TLS: allow to listen off loopback without it")
}

func limitFlags(flags *pflag.FlagSet, limits *daemon.Limits) {
	flags.Var(sizeFlag(&limits.MaxMessage), "max-message", "the largest message that is read (default 1MiB)")
	flags.Var(sizeFlag(&limits.MaxAnswer), "max-answer", "the largest answer (default 16MiB)")
	flags.IntVar(&limits.MaxBatch, "max-batch", 0, "calls in a batch (default 100)")
	flags.IntVar(&limits.MaxDepth, "max-depth", 0, "levels of JSON in a message (default 64)")
	flags.IntVar(&limits.MaxCalls, "max-calls", 0, "calls in flight of a connection (default 64)")
	flags.IntVar(&limits.MaxStreams, "max-streams", 0, "streams of a connection (default 64)")
	flags.Var(sizeFlag(&limits.MaxQueue), "max-queue", "what may wait to be written to a connection (default 4MiB)")
	flags.Var(sizeFlag(&limits.MaxQueueTotal), "max-queue-total", "what may wait to be written to all connections (default 256MiB)")
	flags.IntVar(&limits.MaxConnections, "max-connections", 0, "connections (default 10000)")
	flags.DurationVar(&limits.WriteTimeout, "write-timeout", 0, "how long a write may take without progress (default 10s)")
	flags.DurationVar(&limits.PingInterval, "ping-interval", 0, "the time between two pings (default 20s)")
}
