package engine

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockwire/dockwire/client/api"
)

const (
	registryUser     = "tester"
	registryPassword = "registry password"
	registryHash     = "$2y$05$HQjMfNLQ4Y2jtBypJ8YZuuwWmUG07uBnQCwNPnJ8edtuSKGzdDORu"
)

// startRegistry runs the distribution's registry on loopback, which wants a login
// if it is private. It gives its HOST:PORT.
func startRegistry(t *testing.T, private bool) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := lis.Addr().String()
	lis.Close()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settings := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", dir, host)
	if private {
		settings += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", file("htpasswd", registryUser+":"+registryHash+"\n"))
	}
	serve := exec.CommandContext(t.Context(), "docker-registry", "serve", file("config.yml", settings))
	if err := serve.Start(); err != nil {
		t.Fatalf("the tests need the package docker-registry: %v", err)
	}
	t.Cleanup(func() { _ = serve.Wait() })
	for deadline := time.Now().Add(patience); ; {
		resp, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			resp.Body.Close()
			return host
		}
		if time.Now().After(deadline) {
			t.Fatalf("the registry does not answer: %v", err)
		}
	}
}

// publish pushes an image to a registry. The engine does not know it by that
// name afterwards.
func (f *fixture) publish(local, ref string) {
	f.t.Helper()
	ctx := f.t.Context()
	if err := f.docker.ImageTag(ctx, local, ref); err != nil {
		f.t.Fatal(err)
	}
	auth, _ := registry.EncodeAuthConfig(registry.AuthConfig{Username: registryUser, Password: registryPassword})
	pushed, err := f.docker.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		f.t.Fatal(err)
	}
	defer pushed.Close()
	if said, err := io.ReadAll(pushed); err != nil || strings.Contains(string(said), `"error"`) {
		f.t.Fatalf("%v\n%s", err, said)
	}
	f.unpull(ref)
	f.t.Cleanup(func() { f.cleanUp(); f.unpull(ref) })
}

func (f *fixture) unpull(ref string) {
	_, _ = f.docker.ImageRemove(context.Background(), ref, image.RemoveOptions{})
}

// logIn gives this process a Docker configuration with a login for the registry.
func logIn(t *testing.T, host, username, password string) {
	t.Helper()
	dir, before := t.TempDir(), config.Dir()
	auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth), 0o600); err != nil {
		t.Fatal(err)
	}
	config.SetDir(dir)
	t.Cleanup(func() { config.SetDir(before) })
}

func TestAnAllowedImageIsPulledWhenItIsMissing(t *testing.T) {
	for name, private := range map[string]bool{"public": false, "private": true} {
		t.Run(name, func(t *testing.T) {
			host := startRegistry(t, private)
			core, logged := observer.New(zap.InfoLevel)
			f := setUp(t, func(c *Config) { c.AllowImages, c.Log = []string{host + "/*"}, zap.New(core) })
			f.publish(repository+f.build("probe")+":latest", host+"/app:1")
			if private {
				logIn(t, host, registryUser, registryPassword)
			}
			p := api.CreateParams{Image: host + "/app:1", Name: f.name("web"), Start: ptr(false)}
			if c := f.create(p); c.Image != p.Image {
				t.Errorf("the image is %s", c.Image)
			}
			if n := logged.FilterMessage("an image was pulled").Len(); n != 1 {
				t.Errorf("the log tells of %d pulls", n)
			}
			p.Name = f.name("again")
			f.create(p)
			if n := logged.FilterMessage("pulling an image").Len(); n != 1 {
				t.Errorf("an image that was there was pulled: %d", n)
			}
			for _, entry := range logged.All() {
				if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, registryPassword) {
					t.Errorf("the password is in the log: %s", text)
				}
			}
		})
	}
}

func TestAPullThatFailsIsSaid(t *testing.T) {
	public, private := startRegistry(t, false), startRegistry(t, true)
	f := setUp(t, func(c *Config) { c.AllowImages = []string{"127.0.0.1:*/*"} })
	probe := repository + f.build("probe") + ":latest"
	f.publish(probe, public+"/app:1")
	f.publish(probe, private+"/app:1")
	for name, test := range map[string]struct{ image, password, says string }{
		"no such repository":   {public + "/none:1", "", "has no such image"},
		"no such tag":          {public + "/app:2", "", "has no such image"},
		"no login":             {private + "/app:1", "", "docker login " + private},
		"a wrong login":        {private + "/app:1", "wr0ng", "docker login " + private},
		"no registry":          {"127.0.0.1:1/app:1", "", "does not reach 127.0.0.1:1"},
		"one that is not told": {"localhost:9/app:1", "", "--allow-image"},
	} {
		t.Run(name, func(t *testing.T) {
			logIn(t, private, registryUser, test.password)
			_, err := f.Create(t.Context(), api.CreateParams{Image: test.image, Name: f.name("web")}, "tester")
			failed := wantClass(t, err, NotFound, test.says)
			if failed.Data.Kind != kindImage || failed.Data.Name != test.image || strings.Contains(failed.Reason, "wr0ng") {
				t.Errorf("%s (%v): %+v", failed.Reason, failed.Err, failed.Data)
			}
			t.Log(failed.Reason, "|", failed.Err)
		})
	}
	f.mustBeClean()
}

func TestAPrivateBaseImageIsHadWithTheLoginOfTheDaemonsUser(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		host := startRegistry(t, true)
		w.publish(w.base, host+"/base:1")
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM " + host + "/base:1\nCOPY Dockerfile /\n"})
		p := api.BuildParams{Name: w.name("app"), URL: repo.URL, Pull: true}
		_, _, err := w.try(p)
		wantClass(t, err, BuildFailed, host)
		logIn(t, host, registryUser, registryPassword)
		_, out := w.mustBuild(p)
		if all := strings.Join(out.lines, "\n"); strings.Contains(all, registryPassword) {
			t.Errorf("the password was said:\n%s", all)
		}
	})
}
