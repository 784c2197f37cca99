package daemon

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/daemon/console"
)

func TestThePageIsServedToTheDaemonsOwnHostsAndItsModuleToAllowedOrigins(t *testing.T) {
	d := runDaemon(t, func(c *Config) { c.AllowOrigin = []string{"https://app.example"} })
	tests := []struct {
		method, path, host, origin string
		status                     int
		allowed                    string
	}{
		{"GET", "/", "", "", 200, ""},
		{"HEAD", "/", "localhost", "", 200, ""},
		{"POST", "/", "", "", 405, ""},
		{"OPTIONS", console.Module, "", "http://localhost:5173", 405, ""},
		{"GET", "/", "evil.example", "", 403, ""},
		{"GET", console.Module, "game.localhost", "", 403, ""},
		{"GET", console.Module, "", "", 200, ""},
		{"GET", console.Module, "", "http://localhost:5173", 200, "http://localhost:5173"},
		{"GET", console.Module, "", "https://app.example", 200, "https://app.example"},
		{"GET", console.Module, "", "https://evil.example", 200, ""},
		{"GET", console.Module, "", "http://game.localhost:8420", 200, ""},
		{"GET", console.Module, "", "null", 200, ""},
		{"GET", "/", "", "https://app.example", 200, ""},
		{"GET", "/nothing", "", "", 404, ""},
	}
	for _, test := range tests {
		r, err := http.NewRequest(test.method, "http"+strings.TrimPrefix(d.URL, "ws")+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != test.status || allowed != test.allowed {
			t.Errorf("%+v answers %d and allows %q", test, resp.StatusCode, allowed)
		}
	}
}
