package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

var instanceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// New gives an Engine for the configuration. It sends nothing yet: the engine
// need not be up. It removes clones that a daemon of this instance left behind.
// An error says that the configuration, or the Docker context that it leads to,
// is wrong.
func New(cfg Config) (*Engine, error) {
	if !instanceName.MatchString(cfg.Instance) {
		return nil, fmt.Errorf("the instance %s is not allowed: use 1 to 63 characters out of a-z, 0-9, - and _, beginning with a letter or a digit", quote(cfg.Instance))
	}
	if err := checkFirewall(cfg.Firewall); err != nil {
		return nil, err
	}
	if err := checkReach(cfg.Reach); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	cfg.Base = cmp.Or(cfg.Base, "localhost")
	cfg.Firewall = cmp.Or(cfg.Firewall, FirewallAuto)
	cfg.Reach = cmp.Or(cfg.Reach, ReachAuto)
	_, options, err := resolve(cfg.Host)
	if err != nil {
		return nil, err
	}
	cli, err := client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation(), client.WithUserAgent("dockwire"), largeReads)...)
	if err != nil {
		return nil, fmt.Errorf("the engine's address cannot be used: %w", err)
	}
	e := newEngine(cfg, cli)
	if err := e.openClones(); err != nil {
		return nil, err
	}
	return e, nil
}

// readSize is how many bytes of an answer are read at once: the lines of a log
// come in chunks of their own.
const readSize = 16 << 10

func largeReads(c *client.Client) error {
	if transport, ok := c.HTTPClient().Transport.(*http.Transport); ok {
		transport.ReadBufferSize = readSize
	}
	return nil
}

// Close frees the connections. Call it when Run has ended.
func (e *Engine) Close() error { return e.cli.Close() }

// Check says whether the engine answers. If not, the sentence tells why.
func (e *Engine) Check(ctx context.Context) error {
	_, err := ask(ctx, func(ctx context.Context) (struct{}, error) {
		conn, err := e.cli.Dialer()(ctx)
		if err != nil {
			return struct{}{}, err
		}
		conn.Close()
		_, err = e.cli.Ping(ctx)
		return struct{}{}, err
	})
	var known *Error
	if err == nil || errors.As(err, &known) || ctx.Err() != nil {
		return err
	}
	return unavailable(err, api.OutcomeNone, "%s", e.whyAway(err))
}

func (e *Engine) whyAway(err error) string {
	host := e.cli.DaemonHost()
	var dns *net.DNSError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no engine at " + host + ": install or start it, or say where it is with --docker-host"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not connect to the engine at " + host + ": add it to the group that owns the socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + host + ": start the engine"
	case errors.As(err, &dns):
		return "the engine's host name in " + host + " is not known"
	}
	return "the engine at " + host + " does not answer as it should"
}

// resolve gives what says where the engine is, and the client options for it:
// what was asked for, else DOCKER_HOST, else the current Docker context, else
// the first of the usual sockets that is there.
func resolve(host string) (source string, options []client.Opt, err error) {
	switch fromEnvironment := os.Getenv(client.EnvOverrideHost); {
	case host != "":
		options, err = hostOptions(host, client.WithTLSClientConfigFromEnv())
		return "--docker-host", options, err
	case fromEnvironment != "":
		options, err = hostOptions(fromEnvironment, client.WithTLSClientConfigFromEnv())
		return client.EnvOverrideHost, options, err
	}
	name, err := currentContext()
	switch {
	case err != nil:
		return "the Docker configuration", nil, err
	case name != "":
		options, err = contextOptions(name)
		return "the Docker context " + name, options, err
	}
	options, err = hostOptions(usualSocket())
	return "", options, err
}

func hostOptions(host string, more ...client.Opt) ([]client.Opt, error) {
	if strings.HasPrefix(host, "ssh:") {
		return nil, fmt.Errorf("the engine's address %s cannot be used: forward its socket with ssh -L, and give unix:///PATH", host)
	}
	if strings.HasPrefix(host, "/") {
		host = "unix://" + host
	}
	return append(more, client.WithHost(host), client.WithVersionFromEnv()), nil
}

// usualSocket prefers the engine of the system, and takes a user's own
// (rootless) when that is the only one.
func usualSocket() string {
	sockets := []string{strings.TrimPrefix(client.DefaultDockerHost, "unix://")}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		sockets = append(sockets, filepath.Join(dir, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		sockets = append(sockets, filepath.Join(home, ".docker", "run", "docker.sock"))
	}
	for _, socket := range sockets {
		if _, err := os.Stat(socket); err == nil {
			return "unix://" + socket
		}
	}
	return client.DefaultDockerHost
}

// currentContext gives the name of the Docker context in use, "" for the
// default one.
func currentContext() (string, error) {
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		file, err := config.Load(config.Dir())
		if err != nil {
			return "", fmt.Errorf("the Docker configuration cannot be read: %w", err)
		}
		name = file.CurrentContext
	}
	if name == "default" {
		name = ""
	}
	return name, nil
}

// contextOptions reads a Docker context as docker context create stores it: in
// directories that are called by the hash of its name.
func contextOptions(name string) ([]client.Opt, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	data, err := os.ReadFile(filepath.Join(config.ContextStoreDir(), "meta", id, "meta.json"))
	if err != nil {
		return nil, fmt.Errorf("the Docker context %s cannot be read: %w", name, err)
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return nil, fmt.Errorf("the Docker context %s cannot be read: %w", name, err)
	}
	return hostOptions(meta.Endpoints["docker"].Host, contextTLS(filepath.Join(config.ContextStoreDir(), "tls", id, "docker"))...)
}

func contextTLS(dir string) []client.Opt {
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return []client.Opt{client.WithTLSClientConfig(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))}
}
