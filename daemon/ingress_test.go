package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/engine"
)

// visit asks the ingress at an address for a URL.
func visit(t *testing.T, address, url string, config *tls.Config) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheControlPlaneIsNotBehindTheIngress(t *testing.T) {
	d := runDaemon(t)
	control := strings.TrimPrefix(d.URL, "ws://")
	for _, host := range []string{control, "localhost", "127.0.0.1", strings.TrimPrefix(d.Ingress, "http://")} {
		for _, path := range []string{"/", "/rpc", "/metrics", "/healthz", "/dockwire.js"} {
			if resp, body := visit(t, strings.TrimPrefix(d.Ingress, "http://"), "http://"+host+path, nil); resp.StatusCode != 404 || strings.Contains(body, "dockwire") {
				t.Errorf("%s%s answers %s %s", host, path, resp.Status, body)
			}
		}
	}
}

func TestADomainIsSharedByTheContainersOfOneToken(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s.sock")
	d := runDaemon(t, func(cfg *Config) { cfg.Listen = append(cfg.Listen, "unix://"+socket) })
	admin := d.dial()
	ws, _, err := (&websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("unix", socket) }}).Dial("ws://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	local := &wire{t: t, ws: ws}
	image, one, two := "shop-"+random(), "web-"+random(), "web-"+random()
	domain := image + ".example.com"
	create := func(name string) map[string]any {
		return map[string]any{"image": image, "name": name, "domain": domain}
	}
	admin.do("build", []any{image, repo(t, "app", `CMD ["serve"]`).URL}, nil)
	admin.do("create", create(one), nil)
	local.do("create", create(two), nil) // the same administrator
	_, wide := d.makeToken(access.Deploy, "*")
	if err := d.dialAs(wide).fails(api.CodeConflict, "create", create("other")); err.Data.Holder != min(one, two) {
		t.Errorf("a token for all names is told %+v", err.Data)
	}
	_, narrow := d.makeToken(access.Deploy, "shop*", "other")
	if err := d.dialAs(narrow).fails(api.CodeConflict, "create", create("other")); err.Data.Holder != "" || strings.Contains(shownError(t, err), "web-") {
		t.Errorf("a token for other names is told %s", shownError(t, err))
	}
	answered := map[string]bool{}
	for late := time.Now().Add(patience); len(answered) < 2 && time.Now().Before(late); {
		_, body := visit(t, strings.TrimPrefix(d.Ingress, "http://"), "http://"+domain+"/id", nil)
		answered[body] = true
	}
	if !answered[one] || !answered[two] {
		t.Errorf("the domain is answered by %v", answered)
	}
	for _, name := range []string{one, two} {
		admin.do("remove", []any{name}, nil)
	}
	admin.do("removeImage", []any{image}, nil)
}

func TestAStopWaitsForWhatIsBeingAnswered(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	image, name := "drain-"+random(), "web-"+random()
	w.do("build", []any{image, repo(t, "app", `CMD ["serve"]`).URL}, nil)
	w.do("create", []any{image, name}, nil)
	address := strings.TrimPrefix(d.Ingress, "http://")
	visit(t, address, "http://"+name+".localhost/id", nil) // it accepts connections
	for _, method := range []string{name + "/restart", name + "/stop"} {
		resp, err := http.DefaultClient.Do(&http.Request{Method: "GET", Host: name + ".localhost", URL: &url.URL{Scheme: "http", Host: address, Path: "/stream/8"}})
		if err != nil {
			t.Fatal(err)
		}
		w.do(method, nil, nil) // the first event has come, the last has not
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), "data: 7") {
			t.Errorf("%s: of the stream came %q, %v", method, body, err)
		}
	}
	var doc api.Inspect
	w.do(name+"/inspect", nil, &doc)
	if len(doc.Pool) != 1 || doc.Pool[0] != (api.PoolMember{Name: name, State: api.PoolOut, Reason: "is not running"}) {
		t.Errorf("the pool is %+v", doc.Pool)
	}
	w.do("remove", []any{name}, nil)
	w.do("removeImage", []any{image}, nil)
}

func TestTheIngressSpeaksTLSWithACertificateFromFiles(t *testing.T) {
	p := newKeyPair(t)
	d := runDaemon(t, func(cfg *Config) {
		cfg.IngressTLS, cfg.IngressCert, cfg.IngressKey = []string{"127.0.0.1:0"}, p.cert, p.key
		cfg.Domain = "apps.example"
	})
	w := d.dial()
	image, name := "secure-"+random(), "web-"+random()
	w.do("build", []any{image, repo(t, "app", `CMD ["serve"]`).URL}, nil)
	var c api.Container
	w.do("create", []any{image, name}, &c)
	secure := strings.TrimPrefix(c.URL, "https://"+name+".apps.example")
	address := "127.0.0.1" + strings.TrimSuffix(secure, "/")
	resp, body := visit(t, address, "https://"+name+".apps.example/id", &tls.Config{RootCAs: p.roots, ServerName: "127.0.0.1"})
	if resp.StatusCode != 200 || body != name || resp.ProtoMajor != 2 {
		t.Errorf("it answers %s over %s: %s", resp.Status, resp.Proto, body)
	}
	if resp, _ := visit(t, address, "https://nobody.apps.example/", &tls.Config{RootCAs: p.roots, ServerName: "127.0.0.1"}); resp.StatusCode != 404 {
		t.Errorf("another host answers %s", resp.Status)
	}
	w.do("remove", []any{name}, nil)
	w.do("removeImage", []any{image}, nil)
}

func TestContainersAreServedAtPublishedPorts(t *testing.T) {
	d := runDaemon(t, func(cfg *Config) { cfg.Reach = engine.ReachPublished })
	w := d.dial()
	image, name := "published-"+random(), "web-"+random()
	w.do("build", []any{image, repo(t, "app", `CMD ["serve"]`).URL}, nil)
	var made struct {
		Engine struct {
			HostConfig struct {
				PortBindings map[string][]map[string]string
			}
		}
	}
	w.do("create", []any{image, name}, nil)
	w.do(name+"/inspect", nil, &made)
	if want := map[string][]map[string]string{"8080/tcp": {{"HostIp": "127.0.0.1", "HostPort": ""}}}; !reflect.DeepEqual(made.Engine.HostConfig.PortBindings, want) {
		t.Errorf("it publishes %v", made.Engine.HostConfig.PortBindings)
	}
	for _, after := range []struct {
		method string
		status int
	}{{"inspect", 200}, {"restart", 200}, {"stop", 503}, {"start", 200}} {
		w.do(name+"/"+after.method, nil, nil)
		if resp, body := visit(t, strings.TrimPrefix(d.Ingress, "http://"), "http://"+name+".localhost/id", nil); resp.StatusCode != after.status || after.status == 200 && body != name {
			t.Errorf("after %s it answers %s %s", after.method, resp.Status, body)
		}
	}
	w.do("remove", []any{name}, nil)
	w.do("removeImage", []any{image}, nil)
}

func TestATLSConfigurationThatCannotWorkIsRefusedAtStart(t *testing.T) {
	p := newKeyPair(t)
	for want, change := range map[string]func(*Config){
		"--ingress-tls has no certificates": func(cfg *Config) { cfg.IngressTLS = []string{"127.0.0.1:0"} },
		"--ingress-tls-cert and":            func(cfg *Config) { cfg.IngressCert = p.cert },
		"--public-host has no certificate":  func(cfg *Config) { cfg.PublicHost = "dock.example.com" },
		"give --acme":                       func(cfg *Config) { cfg.ACMEEmail = "ops@example.com" },
		"no-such-file":                      func(cfg *Config) { cfg.ACME, cfg.ACMERoots = true, "/no-such-file" },
	} {
		cfg := Config{Listen: []string{"127.0.0.1:0"}, Ingress: []string{"127.0.0.1:0"}, StateDir: t.TempDir(), LogFormat: "json", Stderr: io.Discard}
		change(&cfg)
		if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %s", err, want)
		}
	}
}

func TestNoContainerGetsANameThatTheDaemonGoesBy(t *testing.T) {
	w := runDaemon(t, func(cfg *Config) {
		cfg.Domain, cfg.PublicHost, cfg.BehindProxy = "example.com", "dock.example.com", true
		cfg.AllowHost = []string{"Dock.example.org"}
	}).dial()
	for _, c := range []struct{ name, domain, param string }{
		{"dock", "", "name"},
		{"web", "dock.example.org", "domain"},
		{"web", "dock.example.com", "domain"},
	} {
		refused := w.fails(api.CodeInvalidParams, "create", map[string]any{"image": "nosuch", "name": c.name, "domain": c.domain})
		if refused.Data.Param != c.param || !strings.Contains(refused.Data.Reason, "the daemon itself") {
			t.Errorf("%s at %q: %+v", c.name, c.domain, refused.Data)
		}
	}
	w.fails(api.CodeNotFound, "create", map[string]any{"image": "nosuch", "name": "dock2", "domain": "shop.example.org"})
}

func TestRequestsAreLoggedIfThatIsWanted(t *testing.T) {
	d := runDaemon(t, func(cfg *Config) { cfg.AccessLog = true })
	visit(t, strings.TrimPrefix(d.Ingress, "http://"), "http://nobody.localhost/path?secret", nil)
	logged := func() bool {
		for line := range bytes.Lines([]byte(d.log.String())) {
			var entry struct {
				Logger, Host, Path string
				Status             int
			}
			if json.Unmarshal(line, &entry) == nil && entry.Logger == "access" && entry.Host == "nobody.localhost" && entry.Path == "/path" && entry.Status == 404 {
				return true
			}
		}
		return false
	}
	for late := time.After(patience); !logged(); { // the line comes after the answer
		select {
		case <-late:
			t.Fatal("the request is not logged")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if strings.Contains(d.log.String(), "?secret") {
		t.Error("the query is in the log")
	}
}
