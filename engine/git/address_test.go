package git_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/engine/git"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// canary is an HTTP server that says whether it was asked.
type canary struct {
	host  string
	asked chan struct{}
	ctx   context.Context // of the request
}

func newCanary(t *testing.T, answer func(*canary)) *canary {
	t.Helper()
	c := &canary{asked: make(chan struct{}, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.ctx = r.Context()
		c.asked <- struct{}{}
		answer(c)
	}))
	t.Cleanup(server.Close)
	c.host = strings.TrimPrefix(server.URL, "http://")
	return c
}

func (c *canary) mustBeSilent(t *testing.T) {
	t.Helper()
	select {
	case <-c.asked:
		t.Error("a forbidden address was asked")
	default:
	}
}

func TestAForbiddenAddressIsNotConnectedTo(t *testing.T) {
	canary := newCanary(t, func(*canary) {})
	_, port, _ := net.SplitHostPort(canary.host)
	c := client(t)
	for _, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::1]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "0", "[::]", "127.8.9.10", "ip6-localhost",
	} {
		for _, scheme := range []string{"http", "https"} {
			err := refused(t, c, git.Request{URL: fmt.Sprintf("%s://%s:%s/x.git", scheme, host, port)})
			if err.Kind != git.Refused && !strings.Contains(err.Reason, ": lookup "+host) { // not found, or no name server to ask
				t.Errorf("%s %s: kind %s: %s", scheme, host, err.Kind, err.Reason)
			}
		}
	}
	canary.mustBeSilent(t)
}

func TestARefusalNamesTheRuleAndTheFlag(t *testing.T) {
	err := refused(t, client(t), git.Request{URL: "http://localhost:9/x.git"})
	for _, want := range []string{"localhost", "127.0.0.0/8", "loopback", "--allow-git localhost:9"} {
		if !strings.Contains(err.Reason, want) {
			t.Errorf("no %s in: %s", want, err.Reason)
		}
	}
}

func TestARedirectIsCheckedToo(t *testing.T) {
	canary := newCanary(t, func(*canary) {})
	for _, target := range []string{"http://" + canary.host, "http://localhost:" + strings.Split(canary.host, ":")[1],
		"http://169.254.169.254", "https://169.254.169.254", "http://[fd00:ec2::254]", "http://10.0.0.1", "http://[::ffff:10.0.0.1]",
		"file:///etc", "ftp://" + canary.host, "git://" + canary.host} {
		redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target+r.URL.RequestURI(), http.StatusMovedPermanently)
		}))
		defer redirect.Close()
		err := refused(t, client(t, strings.TrimPrefix(redirect.URL, "http://")), git.Request{URL: redirect.URL + "/x.git"})
		if strings.HasPrefix(target, "http") && err.Kind != git.Refused {
			t.Errorf("%s: kind %s: %s", target, err.Kind, err.Reason)
		}
	}
	canary.mustBeSilent(t)
}

func TestARedirectToAnAllowedHostIsFollowed(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"f": "x"})
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, server.URL+r.URL.RequestURI(), http.StatusFound)
	}))
	defer redirect.Close()
	c := client(t, server.Host, strings.TrimPrefix(redirect.URL, "http://"))
	if s := fetch(t, c, git.Request{URL: redirect.URL + "/app.git"}); s.Commit != repo.Head() {
		t.Errorf("the commit is %s", s.Commit)
	}
}

func TestAPageInsteadOfARepositoryIsSaid(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"a page":            {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><p>Hello") }, "text/html"},
		"an empty page":     {func(http.ResponseWriter, *http.Request) {}, "no content type"},
		"a login":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "wants a user and a password"},
		"an error":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "answered 500"},
		"a closed door":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"a dumb git server": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/plain") }, "text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			err := refused(t, client(t, strings.TrimPrefix(server.URL, "http://")), git.Request{URL: server.URL + "/x.git"})
			if err.Kind != git.Repository || !strings.Contains(err.Reason, test.says) {
				t.Errorf("kind %s: %s", err.Kind, err.Reason)
			}
		})
	}
}

func TestHTTPSGoesThroughTheProxyAndIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	err := refused(t, client(t, strings.TrimPrefix(server.URL, "https://")), git.Request{URL: server.URL + "/x.git"})
	if err.Kind != git.Repository || !strings.Contains(err.Reason, "certificate") {
		t.Errorf("kind %s: %s", err.Kind, err.Reason)
	}
}

func TestNothingListensIsSaid(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := lis.Addr().String()
	lis.Close()
	refusal := refused(t, client(t, host), git.Request{URL: "http://" + host + "/x.git"})
	if refusal.Kind != git.Repository || !strings.Contains(refusal.Reason, "connection refused") {
		t.Errorf("kind %s: %s", refusal.Kind, refusal.Reason)
	}
}

func TestTheProxyTakesOnlyItsOwnGit(t *testing.T) {
	canary := newCanary(t, func(*canary) {})
	for _, authorization := range []string{"", "Basic Z2l0Og==", "Bearer x"} {
		conn, err := net.Dial("tcp", git.ProxyForTest(t, canary.host))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n", canary.host, authorization)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusProxyAuthRequired {
			t.Errorf("%q: %v %v", authorization, resp, err)
		}
	}
	canary.mustBeSilent(t)
}
