package main

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/dockwire/dockwire/daemon"
	"github.com/spf13/pflag"
)

// configured gives the configuration that serve would run with.
func configured(args ...string) (cfg daemon.Config, err error) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, &cfg)
	limitFlags(flags, &cfg.Limits)
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	return cfg, fromEnvironment(flags)
}

func TestWithoutFlagsServeLeavesEverythingToTheDaemon(t *testing.T) {
	cfg, err := configured()
	if err != nil || !reflect.DeepEqual(cfg, daemon.Config{}) {
		t.Errorf("the configuration is %+v, %v", cfg, err)
	}
}

func TestEveryFieldOfTheConfigurationHasAFlag(t *testing.T) {
	cfg, err := configured("--listen", "127.0.0.1:1", "--listen", "unix:///x", "--ingress", "127.0.0.1:2", "--domain", "d", "--state-dir", "s",
		"--instance", "i", "--docker-host", "h", "--allow-origin", "http://o", "--allow-host", "n", "--allow-git", "10.0.0.0/8,git.lan:81",
		"--allow-image", "postgres:*", "--builder", "classic", "--builds", "3", "--git-credentials", "c", "--keep-builds", "4", "--keep-cache", "5g",
		"--git-cache", "6g", "--git-cache-count", "7",
		"--build-time", "6m", "--build-memory", "7g", "--build-cpus", "0.5", "--build-pids", "8", "--reach", "published", "--min-free", "9g", "--behind-proxy", "--log-format", "json", "--log-level", "debug",
		"--max-message", "2m", "--max-answer", "3m", "--max-batch", "4", "--max-depth", "5", "--max-calls", "6", "--max-streams", "7",
		"--max-queue", "8m", "--max-queue-total", "9g", "--max-connections", "10", "--write-timeout", "11s", "--ping-interval", "12s")
	want := daemon.Config{
		Listen: []string{"127.0.0.1:1", "unix:///x"}, Ingress: []string{"127.0.0.1:2"}, Domain: "d", StateDir: "s", Instance: "i", DockerHost: "h",
		AllowOrigin: []string{"http://o"}, AllowHost: []string{"n"}, AllowGit: []string{"10.0.0.0/8", "git.lan:81"}, AllowImage: []string{"postgres:*"},
		Builder: "classic", Builds: 3, GitCredentials: "c", KeepBuilds: 4, KeepCache: 5 << 30, GitCache: 6 << 30, GitCacheCount: 7,
		Reach: "published", BuildLimits: daemon.BuildLimits{Time: 6 * time.Minute, Memory: 7 << 30, CPUs: 0.5, Pids: 8}, MinFree: 9 << 30, BehindProxy: true, LogFormat: "json", LogLevel: "debug",
		Limits: daemon.Limits{MaxMessage: 2 << 20, MaxAnswer: 3 << 20, MaxBatch: 4, MaxDepth: 5, MaxCalls: 6, MaxStreams: 7,
			MaxQueue: 8 << 20, MaxQueueTotal: 9 << 30, MaxConnections: 10, WriteTimeout: 11 * time.Second, PingInterval: 12 * time.Second},
	}
	if err != nil || !reflect.DeepEqual(cfg, want) {
		t.Errorf("the configuration is\n%+v, %v\nwant\n%+v", cfg, err, want)
	}
}

func TestAFlagWinsOverItsVariable(t *testing.T) {
	t.Setenv("DOCKWIRE_DOMAIN", "of-variable")
	t.Setenv("DOCKWIRE_INSTANCE", "of-variable")
	t.Setenv("DOCKWIRE_LISTEN", "127.0.0.1:1,unix:///x")
	t.Setenv("DOCKWIRE_MAX_QUEUE", "1m")
	t.Setenv("DOCKWIRE_BEHIND_PROXY", "true")
	cfg, err := configured("--domain", "of-flag")
	if err != nil || cfg.Domain != "of-flag" || cfg.Instance != "of-variable" || len(cfg.Listen) != 2 || cfg.Limits.MaxQueue != 1<<20 || !cfg.BehindProxy {
		t.Errorf("the configuration is %+v, %v", cfg, err)
	}
}

func TestAVariableThatCannotBeReadIsNamed(t *testing.T) {
	for name, value := range map[string]string{"DOCKWIRE_MAX_QUEUE": "lots", "DOCKWIRE_BUILDS": "two", "DOCKWIRE_PING_INTERVAL": "soon"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := configured()
			if !errors.Is(err, errUsage) || err.Error()[:len(name)] != name {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
