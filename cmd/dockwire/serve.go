package main

import (
	"github.com/dockwire/dockwire/cmd/dockwire/heap"
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
		go heap.Fit(cmd.Context())
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
	flags.StringVar(&cfg.Engine, "engine", "", "docker, swarm, or auto: a swarm if the engine manages one (default docker)")
	flags.StringSliceVar(&cfg.Managers, "manager", nil, "the `address` of a further manager of the swarm, for when the first is away (repeatable)")
	flags.StringVar(&cfg.Registry, "registry", "", "where a swarm's images are pushed and its nodes pull them, `HOST[:PORT][/PATH]`")
	flags.StringVar(&cfg.NodeAPI, "node-api", "", "the `address` of the API of a node of the swarm, such as tcp://{address}:2376; {address} and {name} stand for its own")
	flags.StringVar(&cfg.NodeCA, "node-ca", "", "a `file` of the authority that signed the certificates of the nodes")
	flags.StringVar(&cfg.NodeCert, "node-cert", "", "the `file` of the certificate to show to the nodes")
	flags.StringVar(&cfg.NodeKey, "node-key", "", "the `file` of its key")
	flags.StringSliceVar(&cfg.AllowOrigin, "allow-origin", nil, "an `origin`, SCHEME://HOST:PORT, whose pages may call (repeatable)")
	flags.StringSliceVar(&cfg.AllowHost, "allow-host", nil, "a host `name` that the daemon may be called by (repeatable)")
	flags.StringSliceVar(&cfg.AllowGit, "allow-git", nil, "`HOST[:PORT]` or CIDR that git URLs may point to though it is not public (repeatable)")
	flags.StringSliceVar(&cfg.AllowImage, "allow-image", nil, "a `pattern` of images that containers may be made of though they were not built here (repeatable)")
	flags.DurationVar(&cfg.Drain, "drain", 0, "how long a container that is stopped may finish what it answers; negative for not at all (default 10s)")
	flags.DurationVar(&cfg.UpdateTime, "update-time", 0, "how long the new container of an update has until it serves, besides what its HEALTHCHECK takes (default 1m)")
	flags.BoolVar(&cfg.AccessLog, "access-log", false, "log each request to a container")
	flags.StringVar(&cfg.Builder, "builder", "", "auto, buildkit or classic (default auto)")
	flags.IntVar(&cfg.Builds, "builds", 0, "how many builds run at once (default 2)")
	flags.StringVar(&cfg.GitCredentials, "git-credentials", "", "a `file` of logins for private git repositories, a line https://USERNAME:PASSWORD@HOST each; mode 600")
	flags.IntVar(&cfg.KeepBuilds, "keep-builds", 0, "how many builds of an image are kept, besides those that containers use (default 5)")
	flags.Var(sizeFlag(&cfg.KeepCache), "keep-cache", "after a build, prune the engine's build cache, which all of its users share, to this size (default: leave it to the engine)")
	flags.Var(sizeFlag(&cfg.GitCache), "git-cache", "what the cloned repositories may take that are kept for the next build (default 2GiB)")
	flags.IntVar(&cfg.GitCacheCount, "git-cache-count", 0, "how many cloned repositories are kept; negative for none (default 100)")
	flags.DurationVar(&cfg.BuildLimits.Time, "build-time", 0, "how long a build may take (default 30m)")
	flags.Var(sizeFlag(&cfg.BuildLimits.Memory), "build-memory", "the memory of a step of a build (default 2GiB)")
	flags.Float64Var(&cfg.BuildLimits.CPUs, "build-cpus", 0, "the cores of a step of a build (default 2)")
	flags.Int64Var(&cfg.BuildLimits.Pids, "build-pids", 0, "the processes and threads of a step of a build (default 2048)")
	flags.Var(sizeFlag(&cfg.MinFree), "min-free", "what builds and pulls leave free of a disk (default 1GiB, or 5 % of a small disk)")
	flags.StringVar(&cfg.Firewall, "firewall", "", "auto, manage, check or off: how containers are cut off from this host (default auto: manage where that can be)")
	flags.StringVar(&cfg.Reach, "reach", "", "auto, address or published: whether HTTP goes to the containers' own addresses, or to ports that the engine publishes on loopback (default auto: published for engines that are rootless or Docker Desktop's)")
	flags.StringVar(&cfg.StrictRuntime, "strict-runtime", "", "the `runtime` of strict containers, such as runsc or kata (default the engine's)")
	flags.StringVar(&cfg.LogFormat, "log-format", "", "console, json or auto: console on a terminal (default auto)")
	flags.StringVar(&cfg.LogLevel, "log-level", "", "debug, info, warn or error (default info)")
	flags.StringVar(&cfg.TLSCert, "tls-cert", "", "the `file` of the certificates to show to callers; it is read again when it changes")
	flags.StringVar(&cfg.TLSKey, "tls-key", "", "the `file` of their key")
	flags.StringVar(&cfg.PublicHost, "public-host", "", "the `name` that the daemon is called by from elsewhere")
	flags.StringSliceVar(&cfg.IngressTLS, "ingress-tls", nil, "where HTTPS for the containers comes in, `HOST:PORT` (repeatable)")
	flags.StringVar(&cfg.IngressCert, "ingress-tls-cert", "", "the `file` of the certificates to show there, a wildcard's as a rule; it is read again when it changes")
	flags.StringVar(&cfg.IngressKey, "ingress-tls-key", "", "the `file` of their key")
	flags.BoolVar(&cfg.ACME, "acme", false, "get certificates for --public-host and the containers' domains by ACME, and agree to the terms of the authority")
	flags.StringVar(&cfg.ACMEEmail, "acme-email", "", "the `address` that the authority writes to")
	flags.StringVar(&cfg.ACMEDirectory, "acme-directory", "", "the `URL` of the authority (default Let's Encrypt)")
	flags.StringVar(&cfg.ACMERoots, "acme-roots", "", "a `file` of certificates that the authority's own server may have, beside the system's")
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
	flags.IntVar(&limits.MaxUpgraded, "max-upgraded", 0, "WebSockets that are open to containers (default 10000)")
	flags.DurationVar(&limits.WriteTimeout, "write-timeout", 0, "how long a write may take without progress (default 10s)")
	flags.DurationVar(&limits.PingInterval, "ping-interval", 0, "the time between two pings (default 20s)")
}
