package client

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// bare is an environment in which no daemon is named and none has a socket.
func bare(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"DOCKWIRE_URL", "DOCKWIRE_TOKEN", "DOCKWIRE_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("DOCKWIRE_STATE_DIR", filepath.Join(dir, "state"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheDaemonIsLookedForInOrder(t *testing.T) {
	dir := bare(t)
	socket := filepath.Join(dir, "run", "dockwire", "dockwire.sock")
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	var c Client
	found := c.addresses()
	if found[0] != "unix://"+socket || found[len(found)-1] != "ws://"+api.DefaultAddress {
		t.Errorf("with a socket the addresses are %q", found)
	}
	t.Setenv("DOCKWIRE_URL", "wss://a.example")
	if found := c.addresses(); !slices.Equal(found, []string{"wss://a.example"}) {
		t.Errorf("with DOCKWIRE_URL the addresses are %q", found)
	}
	c.URL = "ws://b.example"
	if found := c.addresses(); !slices.Equal(found, []string{"ws://b.example"}) {
		t.Errorf("with a URL the addresses are %q", found)
	}
}

func TestTheTokenIsLookedForInOrder(t *testing.T) {
	dir := bare(t)
	file, other := filepath.Join(dir, "token"), filepath.Join(dir, "other")
	write(t, api.TokenFile(os.Getenv("DOCKWIRE_STATE_DIR")), "of-state\n")
	write(t, file, "of-file\n")
	write(t, other, "of-other-file\n")

	var c Client
	wants := func(what, want string) {
		t.Helper()
		token, err := c.token("ws://localhost:7420")
		if err != nil || token != want {
			t.Errorf("with %s the token is %q, %v; want %q", what, token, err, want)
		}
	}
	wants("a state directory", "of-state")
	t.Setenv("DOCKWIRE_TOKEN_FILE", other)
	wants("DOCKWIRE_TOKEN_FILE", "of-other-file")
	t.Setenv("DOCKWIRE_TOKEN", "of-environment")
	wants("DOCKWIRE_TOKEN", "of-environment")
	c.TokenFile = file
	wants("a token file", "of-file")
	c.Token = "of-field"
	wants("a token", "of-field")
}

func TestTheTokenOfThisMachineStaysOnIt(t *testing.T) {
	bare(t)
	write(t, api.TokenFile(os.Getenv("DOCKWIRE_STATE_DIR")), "secret\n")
	var c Client
	for addr, want := range map[string]string{
		"ws://127.0.0.1:7420":         "secret",
		"ws://127.9.9.9":              "secret",
		"ws://[::1]:7420":             "secret",
		"wss://localhost":             "secret",
		"unix:///run/x.sock":          "",
		"wss://example.com":           "",
		"ws://192.0.2.1:7420":         "",
		"ws://localhost.example.com":  "",
		"ws://127.0.0.1@example.com/": "",
	} {
		if token, err := c.token(addr); err != nil || token != want {
			t.Errorf("%s is shown %q, %v; want %q", addr, token, err, want)
		}
	}
}
