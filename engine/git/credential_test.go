package git_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/engine/git"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

const secret = "s3cr3t/+%41 word"

func private(t *testing.T) (*gittest.Server, *gittest.Repo) {
	t.Helper()
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"f": "x"})
	server.Require("user", secret)
	return server, repo
}

func TestAPrivateRepositoryIsFetchedWithALogin(t *testing.T) {
	server, repo := private(t)
	login := git.Login{Username: "user", Password: secret}
	for name, change := range map[string]func(*git.Client, *git.Request){
		"of the request": func(_ *git.Client, r *git.Request) { r.Login = &login },
		"of the host":    func(c *git.Client, _ *git.Request) { c.Credentials = git.Credentials{server.URL: login} },
		"the request's own": func(c *git.Client, r *git.Request) {
			c.Credentials, r.Login = git.Credentials{server.URL: {Password: "old"}}, &login
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := client(t, server.Host), git.Request{URL: repo.URL}
			change(c, &r)
			if s := fetch(t, c, r); s.Commit != repo.Head() {
				t.Errorf("the commit is %s", s.Commit)
			}
			r.Ref = "none"
			if err := refused(t, c, r); err.Kind != git.Ref {
				t.Errorf("kind %s: %s", err.Kind, err.Reason)
			}
		})
	}
}

func TestALoginThatIsMissingOrWrongIsSaid(t *testing.T) {
	server, repo := private(t)
	for says, login := range map[string]*git.Login{
		"wants a user and a password":  nil,
		"does not take the credential": {Username: "user", Password: "wr0ng"},
	} {
		err := refused(t, client(t, server.Host), git.Request{URL: repo.URL, Login: login})
		if err.Kind != git.Repository || !strings.Contains(err.Reason, says) || strings.Contains(fmt.Sprintf("%s %+v", err.Reason, err.Err), "wr0ng") {
			t.Errorf("kind %s: %s (%v)", err.Kind, err.Reason, err.Err)
		}
	}
}

func TestALoginDoesNotFollowARedirectToAnotherHost(t *testing.T) {
	for name, demand := range map[string]bool{"before it was asked for": false, "after it was shown": true} {
		t.Run(name, func(t *testing.T) {
			other := gittest.NewServer(t)
			other.Repo("app", map[string]string{"f": "x"})
			other.Require("another", "password")
			redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, _, shown := r.BasicAuth(); demand && !shown {
					w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusFound)
			}))
			defer redirect.Close()
			c := client(t, other.Host, strings.TrimPrefix(redirect.URL, "http://"))
			err := refused(t, c, git.Request{URL: redirect.URL + "/app.git", Login: &git.Login{Username: "user", Password: secret}})
			if err.Kind != git.Repository {
				t.Errorf("kind %s: %s", err.Kind, err.Reason)
			}
			if shown := other.Shown(); len(shown) > 0 {
				t.Errorf("the other host was shown %q", shown)
			}
		})
	}
}

func TestALoginFollowsARedirectOnItsHost(t *testing.T) {
	server, repo := private(t)
	var moved *httptest.Server
	moved = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, old := strings.CutPrefix(r.URL.Path, "/old"); old {
			http.Redirect(w, r, moved.URL+path+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return
		}
		r.URL.Host, r.URL.Scheme, r.RequestURI = server.Host, "http", ""
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		_, _ = w.Write(body.Bytes())
	}))
	defer moved.Close()
	c := client(t, strings.TrimPrefix(moved.URL, "http://"))
	s := fetch(t, c, git.Request{URL: moved.URL + "/old/app.git", Login: &git.Login{Username: "user", Password: secret}})
	if s.Commit != repo.Head() {
		t.Errorf("the commit is %s", s.Commit)
	}
}

func TestSubmodulesOfTheSameHostGetTheLoginAndOthersDoNot(t *testing.T) {
	server, inner := private(t)
	other := gittest.NewServer(t)
	foreign := other.Repo("foreign", map[string]string{"g": "y"})
	outer := server.Repo("outer", map[string]string{"f": "x"})
	outer.Submodule("near", "../app.git", inner.Head())
	outer.Submodule("far", foreign.URL, foreign.Head())
	r := git.Request{URL: outer.URL, Submodules: true, Login: &git.Login{Username: "user", Password: secret}}

	c := client(t, server.Host, other.Host)
	if got := files(t, fetch(t, c, r)); got["near/f"] != "x" || got["far/g"] != "y" {
		t.Errorf("got %q", got)
	}
	other.Require("user", secret)
	if err := refused(t, c, r); err.Kind != git.Submodule || !strings.Contains(err.Reason, "wants a user") {
		t.Errorf("kind %s: %s", err.Kind, err.Reason)
	}
	if shown := other.Shown(); len(shown) > 0 {
		t.Errorf("the other host was shown %q", shown)
	}
	c.Credentials = git.Credentials{other.URL: {Username: "user", Password: secret}}
	fetch(t, c, r)
}

func TestALoginIsNotSentInClearToAHostThatWasNotNamed(t *testing.T) {
	server, repo := private(t)
	r := git.Request{URL: repo.URL, Login: &git.Login{Username: "user", Password: secret}}
	if err := refused(t, client(t), r); err.Kind != git.Unsafe || !strings.Contains(err.Reason, "--allow-git "+server.Host) {
		t.Errorf("kind %s: %s", err.Kind, err.Reason)
	}
	if shown := server.Shown(); len(shown) > 0 {
		t.Errorf("the server was shown %q", shown)
	}
}

// TestALoginIsNowhereToBeSeen looks at every process while git waits for an
// answer, and at all that is said and written.
func TestALoginIsNowhereToBeSeen(t *testing.T) {
	c := &git.Client{Limits: git.DefaultLimits, Temp: t.TempDir(), Prefix: "clone-"}
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		seen = append(seen, whereItIs(t, c.Temp)...)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "you are %s, %s\n", r.Header.Get("Authorization"), secret)
	}))
	defer server.Close()
	c.Policy, _ = git.ParsePolicy([]string{strings.TrimPrefix(server.URL, "http://")})
	var said bytes.Buffer
	err := refused(t, c, git.Request{URL: server.URL + "/x.git", Progress: &said, Login: &git.Login{Username: "user", Password: secret}})
	if len(seen) > 0 {
		t.Errorf("it was seen in %q", seen)
	}
	for _, text := range []string{said.String(), err.Reason, fmt.Sprintf("%+v", err.Err), fmt.Sprintf("%v %+v %#v", git.Login{Password: secret}, git.Request{Login: &git.Login{Password: secret}}, git.Login{Password: secret})} {
		if strings.Contains(text, secret) || strings.Contains(text, "dXNlcjpz") {
			t.Errorf("it was said: %s", text)
		}
	}
	if !strings.Contains(said.String(), "[hidden]") {
		t.Errorf("the server's words did not come: %q", said.String())
	}
}

// whereItIs gives the processes and files that show the secret.
func whereItIs(t *testing.T, dir string) (places []string) {
	t.Helper()
	shown, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	files := append(shown, environments...)
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(secret)) {
			places = append(places, file)
		}
	}
	return places
}

func TestCredentialsAreReadFromAFileThatOnlyItsOwnerReads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("# mine\n\nhttps://user:p%40ss%3A@Example.com:443\nhttp://:token@git.lan:3000/\n", 0o600)
	got, err := git.ReadCredentials(file)
	want := git.Credentials{"https://example.com": {Username: "user", Password: "p@ss:"}, "http://git.lan:3000": {Password: "token"}}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%d logins, %v", len(got), err)
	}
	for content, says := range map[string]string{
		"https://example.com":                 "line 1 ",
		"\nhttps://user:s3cr3t@example.com/a": "line 2 ",
		"https://user@example.com":            "no password",
		"ssh://user:s3cr3t@example.com":       "https://",
		"user:s3cr3t@example.com":             "line 1 ",
		"https://user:s3cr3t@exa mple.com":    "line 1 ",
		"https://user:s3cr3t%0a@example.com":  "control characters",
		"https://u%3Aser:s3cr3t@example.com":  "colon",
		strings.Repeat("x", 1<<17):            "too long",
	} {
		write(content, 0o600)
		if got, err := git.ReadCredentials(file); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%.40q: %d logins, %v", content, len(got), err)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		write("https://user:s3cr3t@example.com\n", mode)
		if _, err := git.ReadCredentials(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := git.ReadCredentials(file + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}
