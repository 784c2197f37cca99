package tlstest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/ingress"
	"github.com/dockwire/dockwire/engine"
)

// serveApp has an app served by the ingress under the name that h2spec calls it by.
func serveApp(t *testing.T) (port int) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "some bytes of an answer")
	}))
	t.Cleanup(app.Close)
	in := ingress.New(ingress.Options{})
	t.Cleanup(func() { in.Shutdown(t.Context()) })
	in.Route(engine.Route{Name: "app", ID: "app", Host: "127.0.0.1", Domain: "127.0.0.1", State: api.StateRunning, Address: netip.MustParseAddrPort(app.Listener.Addr().String())})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shown := httptest.NewTLSServer(nil) // for its certificate
	defer shown.Close()
	go in.Serve(ln, &tls.Config{Certificates: shown.TLS.Certificates})
	return ln.Addr().(*net.TCPAddr).Port
}

func TestHTTP2IsAsH2specWantsIt(t *testing.T) {
	c := &config.Config{Host: "127.0.0.1", Port: serveApp(t), Path: "/", Timeout: 2 * time.Second, MaxHeaderLen: 4000, TLS: true, Insecure: true, Sections: []string{}}
	passed := 0
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(c)
		passed += group.PassedCount
		report(t, group)
	}
	if passed < 140 {
		t.Errorf("only %d cases passed", passed)
	}
	t.Logf("%d cases passed", passed)
}

// deviations are the cases that net/http fails, and on purpose.
var deviations = map[string]string{
	"6.5.3 Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                            "it hangs up on a setting that is there twice",
	"8.1.2.2 Sends a HEADERS frame that contains the connection-specific header field":                       "it answers 400, as RFC 9113 (8.1.1) allows too",
	"8.1.2.2 Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "it answers 400, too",
}

func report(t *testing.T, group *spec.TestGroup) {
	for _, test := range group.Tests {
		if why, known := deviations[group.Section+" "+test.Desc]; known {
			t.Logf("%s %s: %s", group.Section, test.Desc, why)
			continue
		}
		if test.Result != nil && test.Result.Failed {
			t.Errorf("%s %s: %v", group.Section, test.Desc, test.Result.Error)
		}
	}
	for _, inner := range group.Groups {
		report(t, inner)
	}
}
