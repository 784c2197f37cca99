package tlstest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon"
	"github.com/dockwire/dockwire/engine/enginetest"
)

const patience = 30 * time.Second

// host is a machine with a daemon that has names in the world.
type host struct {
	t                      *testing.T
	cfg                    daemon.Config
	clear, secure, control int // ports
	authority              *authority
	image                  string
	name                   string // of the container
	stop                   func()
}

const (
	baseDomain = "apps.example.com"
	publicHost = "dock.example.com"
)

// newHost runs a daemon that gets its certificates from a Pebble; asked says
// whether that can ask in clear, and over TLS.
func newHost(t *testing.T, clear, secure bool) *host {
	t.Helper()
	h := &host{t: t, clear: freePort(t), secure: freePort(t), control: freePort(t)}
	httpPort, tlsPort := freePort(t), freePort(t)
	if clear {
		httpPort = h.clear
	}
	if secure {
		tlsPort = h.secure
	}
	h.authority = newAuthority(t, httpPort, tlsPort)
	id := random()
	h.image, h.name = "tlstest-"+id, "web-"+id
	t.Cleanup(func() { enginetest.NothingLeft(t, "test-"+id) })
	if err := enginetest.Client(t).ImageTag(t.Context(), enginetest.Probe(t, nil), h.image+":latest"); err != nil {
		t.Fatal(err)
	}
	h.cfg = daemon.Config{
		Listen: []string{address(h.control)}, Ingress: []string{address(h.clear)}, IngressTLS: []string{address(h.secure)},
		Domain: baseDomain, PublicHost: publicHost, StateDir: t.TempDir(), Instance: "test-" + id, AllowImage: []string{h.image},
		ACME: true, ACMEDirectory: h.authority.Directory, ACMERoots: h.authority.Roots, LogFormat: "json", Stderr: io.Discard,
	}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func random() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (h *host) start() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(ctx, h.cfg) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
	})
	h.until("it listens", func() bool {
		resp, _, err := h.get("http://nobody.example.com/")
		return err == nil && resp.StatusCode == http.StatusNotFound
	})
}

func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			h.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// caller gives a client of the daemon under its public name.
func (h *host) caller() *client.Client {
	token, err := os.ReadFile(api.TokenFile(h.cfg.StateDir))
	if err != nil {
		h.t.Fatal(err)
	}
	c := &client.Client{URL: "wss://" + address(h.control), Token: strings.TrimSpace(string(token)), TLS: h.authority.trusts(publicHost)}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// serve makes a container with a domain of its own.
func (h *host) serve(domain string) {
	h.t.Helper()
	c := h.caller()
	p := api.CreateParams{Image: h.image, Name: h.name, Domain: domain, Command: []string{"serve"}}
	if _, err := c.Create(h.t.Context(), p); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if _, err := h.caller().Remove(context.Background(), api.RemoveParams{Name: h.name}); err != nil {
			h.t.Error(err)
		}
	})
}

// get asks for a URL of one of the ingress's names.
func (h *host) get(url string) (*http.Response, string, error) {
	h.t.Helper()
	name := strings.Split(strings.Split(url, "://")[1], "/")[0]
	port := h.clear
	if strings.HasPrefix(url, "https") {
		port = h.secure
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address(port))
		},
		TLSClientConfig: h.authority.trusts(name), ForceAttemptHTTP2: true, TLSHandshakeTimeout: patience,
	}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Get(url)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// want fails the test unless a container answers at the URL, once its
// certificate was got.
func (h *host) want(url string) *http.Response {
	h.t.Helper()
	var answer *http.Response
	h.until(url+" is served", func() bool {
		resp, body, err := h.get(url)
		answer = resp
		return err == nil && resp.StatusCode == 200 && body == h.name
	})
	return answer
}

func TestNamesThatAreOursGetCertificates(t *testing.T) {
	for how, c := range map[string]struct{ clear, secure bool }{"HTTP-01": {clear: true}, "TLS-ALPN-01": {secure: true}} {
		t.Run(how, func(t *testing.T) {
			h := newHost(t, c.clear, c.secure)
			h.serve("shop.example.com")
			for _, url := range []string{"https://shop.example.com/id", "https://" + h.name + "." + baseDomain + "/id"} {
				if resp := h.want(url); resp.ProtoMajor != 2 {
					t.Errorf("%s comes over %s", url, resp.Proto)
				}
			}
		})
	}
}

func TestNoCertificateIsAskedForWhatIsNotOurs(t *testing.T) {
	h := newHost(t, true, true)
	h.serve("shop.example.com")
	h.want("https://shop.example.com/id")
	before := h.authority.orders.Load()
	for _, name := range []string{"other.example.com", "x.shop.example.com", "nobody." + baseDomain, baseDomain, "example.com", "localhost", "*.example.com", ""} {
		conn, err := tls.Dial("tcp", address(h.secure), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
			t.Errorf("%q is shown a certificate for %v", name, conn.ConnectionState().PeerCertificates[0].DNSNames)
		}
	}
	if orders := h.authority.orders.Load(); orders != before {
		t.Errorf("%d certificates were asked for", orders-before)
	}
}

func TestRequestsInClearAreSentToWhereTheyAreSecure(t *testing.T) {
	h := newHost(t, true, true)
	h.serve("shop.example.com")
	resp, _, err := h.get("http://shop.example.com/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("https://shop.example.com:%d/a?b=c", h.secure)
	if resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != want || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("it answers %s, %v", resp.Status, resp.Header)
	}
	if resp, _, err := h.get("http://other.example.com/"); err != nil || resp.StatusCode != 404 {
		t.Errorf("a host that nobody has: %v, %v", resp, err)
	}
	if resp, _, err := h.get("http://shop.example.com/.well-known/acme-challenge/x"); err != nil || resp.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("a challenge of somebody else: %v, %v", resp, err)
	}
}

func TestCertificatesOutliveTheDaemon(t *testing.T) {
	h := newHost(t, true, true)
	h.serve("shop.example.com")
	h.want("https://shop.example.com/id")
	before := h.authority.orders.Load()
	h.stop()
	h.start()
	h.want("https://shop.example.com/id")
	if _, err := h.caller().List(t.Context()); err != nil {
		t.Error(err)
	}
	if orders := h.authority.orders.Load(); orders != before {
		t.Errorf("%d certificates were asked for again", orders-before)
	}
	filepath.WalkDir(filepath.Join(h.cfg.StateDir, "acme"), func(path string, d os.DirEntry, _ error) error {
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return nil
	})
}
