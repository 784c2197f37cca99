package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

// dialTimeout is how long an attempt to connect to one address may take.
const dialTimeout = 10 * time.Second

// dial connects to the first of the addresses that can be connected to. One
// that refuses ends the search, for somebody is there.
func (c *Client) dial(ctx context.Context) (*rpc.Client, error) {
	var failures []string
	for _, addr := range c.addresses() {
		token, err := c.token(addr)
		if err != nil {
			return nil, err
		}
		conn, err := c.open(ctx, addr, token)
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, ErrRefused):
			return nil, err
		}
		failures = append(failures, addr+": "+reason(err))
	}
	return nil, fmt.Errorf("%w: %s; start it with `dockwire serve`, or say in DOCKWIRE_URL where it is",
		ErrUnreachable, strings.Join(failures, ", "))
}

// open connects to an address and shows a token there, unless that is empty.
func (c *Client) open(ctx context.Context, addr, token string) (*rpc.Client, error) {
	opts := &rpc.DialOptions{TLS: c.TLS, Header: http.Header{}}
	if token != "" {
		opts.Header.Set("Authorization", "Bearer "+token)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := rpc.Dial(ctx, addr, opts)
	var answer *rpc.HandshakeError
	if errors.As(err, &answer) && answer.Status < http.StatusInternalServerError {
		return nil, fmt.Errorf("%w at %s: %s", ErrRefused, addr, cmp.Or(answer.Body, http.StatusText(answer.Status)))
	}
	return conn, err
}

// reason is why an address could not be connected to, without the address.
func reason(err error) string {
	var failed *net.OpError
	if errors.As(err, &failed) {
		return failed.Err.Error()
	}
	return err.Error()
}

// addresses are where the daemon may be, the likeliest first.
func (c *Client) addresses() []string {
	if addr := cmp.Or(c.URL, os.Getenv("DOCKWIRE_URL")); addr != "" {
		return []string{addr}
	}
	var found []string
	for _, path := range api.SocketPaths() {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			found = append(found, "unix://"+path)
		}
	}
	return append(found, "ws://"+api.DefaultAddress)
}

// token gives the secret to show at an address; "" is none. The token that lies
// in this machine's state directory is shown to nobody outside it.
func (c *Client) token(addr string) (string, error) {
	switch {
	case c.Token != "":
		return c.Token, nil
	case c.TokenFile != "":
		return readToken(c.TokenFile)
	case os.Getenv("DOCKWIRE_TOKEN") != "":
		return os.Getenv("DOCKWIRE_TOKEN"), nil
	case os.Getenv("DOCKWIRE_TOKEN_FILE") != "":
		return readToken(os.Getenv("DOCKWIRE_TOKEN_FILE"))
	case !onLoopback(addr):
		return "", nil
	}
	token, err := readToken(api.TokenFile(cmp.Or(os.Getenv("DOCKWIRE_STATE_DIR"), api.DefaultStateDir())))
	if err != nil {
		return "", nil // the daemon says that it wants one
	}
	return token, nil
}

func readToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// onLoopback says whether a ws or wss address is one of this machine.
func onLoopback(addr string) bool {
	u, err := url.Parse(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
