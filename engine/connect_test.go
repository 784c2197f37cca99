package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/cli/cli/config"
)

func TestTheEngineIsWhereTheConfigurationSays(t *testing.T) {
	dir := dockerConfig(t)
	context := func(name string) { writeFile(t, filepath.Join(dir, "config.json"), `{"currentContext":"`+name+`"}`) }
	sum := sha256.Sum256([]byte("remote"))
	writeFile(t, filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"),
		`{"Name":"remote","Endpoints":{"docker":{"Host":"tcp://192.0.2.7:2375"}}}`)

	context("remote")
	wantHost(t, "", "tcp://192.0.2.7:2375")
	wantHost(t, "unix:///tmp/asked.sock", "unix:///tmp/asked.sock")
	wantHost(t, "/tmp/asked.sock", "unix:///tmp/asked.sock")
	t.Setenv("DOCKER_HOST", "unix:///tmp/env.sock")
	wantHost(t, "", "unix:///tmp/env.sock")
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "default")
	if _, err := New(Config{Instance: "test"}); err != nil {
		t.Errorf("the default context: %v", err)
	}
	t.Setenv("DOCKER_CONTEXT", "nosuch")
	if _, err := New(Config{Instance: "test"}); err == nil {
		t.Error("a context that is not there was taken")
	}
	if _, err := New(Config{Instance: "test", Host: "ssh://there"}); err == nil {
		t.Error("ssh was taken")
	}
	if _, err := New(Config{Instance: "test", AllowGit: []string{"1.2.3.4/99"}}); err == nil {
		t.Error("a network that is none was taken")
	}
	if _, err := New(Config{Instance: "a.b"}); err == nil {
		t.Error("an instance with a dot was taken")
	}
}

// dockerConfig gives Docker a configuration of the test's own.
func dockerConfig(t *testing.T) string {
	before, dir := config.Dir(), t.TempDir()
	config.SetDir(dir)
	t.Cleanup(func() { config.SetDir(before) })
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")
	return dir
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantHost(t *testing.T, asked, want string) {
	t.Helper()
	e, err := New(Config{Instance: "test", Host: asked})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got := e.cli.DaemonHost(); got != want {
		t.Errorf("asked for %q the engine is at %s, want %s", asked, got, want)
	}
}
