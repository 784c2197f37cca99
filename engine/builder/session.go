package builder

import (
	"context"
	"io"
	"net"

	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
)

// openSession gives the engine a way to ask for the credentials of registries:
// those of this user's Docker configuration. Without a session BuildKit fails
// even where the answer would be that there are none.
func openSession(ctx context.Context, cli *client.Client) (*session.Session, error) {
	s, err := session.NewSession(ctx, "")
	if err != nil {
		return nil, err
	}
	s.Allow(authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		ConfigFile: config.LoadDefaultConfigFile(io.Discard),
	}))
	dial := func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
		return cli.DialHijack(ctx, "/session", proto, meta)
	}
	go func() { _ = s.Run(context.WithoutCancel(ctx), dial) }()
	return s, nil
}

// credentials are what the classic builder wants to be told beforehand. Without
// them, images that anybody may have can still be had.
func credentials() map[string]registry.AuthConfig {
	all, err := config.LoadDefaultConfigFile(io.Discard).GetAllCredentials()
	if err != nil {
		return nil
	}
	known := map[string]registry.AuthConfig{}
	for host, auth := range all {
		known[host] = registry.AuthConfig(auth)
	}
	return known
}

// dockerHub is what the Docker configuration calls it.
const dockerHub = "https://index.docker.io/v1/"

// RegistryAuth gives the login for a registry that this user's Docker
// configuration has, as the engine's API takes it; "" if there is none.
func RegistryAuth(host string) (string, error) {
	if host == "docker.io" {
		host = dockerHub
	}
	auth, err := config.LoadDefaultConfigFile(io.Discard).GetAuthConfig(host)
	if err != nil || auth.Username == "" && auth.IdentityToken == "" && auth.RegistryToken == "" {
		return "", err
	}
	return registry.EncodeAuthConfig(registry.AuthConfig(auth))
}
