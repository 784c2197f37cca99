// Package gittest serves git repositories over HTTP on loopback, by git's own
// backend, for tests.
package gittest

import (
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Server serves repositories until its test ends.
type Server struct {
	URL  string // http://127.0.0.1:PORT
	Host string // 127.0.0.1:PORT, as an exception for the git policy

	t    testing.TB
	root string

	mu    sync.Mutex
	login string   // USERNAME:PASSWORD that is wanted, if any
	shown []string // the logins that were shown, as USERNAME:PASSWORD
	sent  int      // bytes of all answers
}

// counter counts what is sent to a client.
type counter struct {
	http.ResponseWriter
	server *Server
}

func (c counter) Write(b []byte) (int, error) {
	c.server.mu.Lock()
	c.server.sent += len(b)
	c.server.mu.Unlock()
	return c.ResponseWriter.Write(b)
}

// Sent gives how many bytes the answers have had since it was asked last.
func (s *Server) Sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = 0
	return sent
}

// NewServer starts a server without repositories.
func NewServer(t testing.TB) *Server {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, root: t.TempDir()}
	backend := &cgi.Handler{
		Logger: log.New(io.Discard, "", 0), // clients that hang up are part of the tests
		Stderr: io.Discard,
		Path:   git,
		Args:   []string{"http-backend"},
		Env:    []string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.admits(r) {
			backend.ServeHTTP(counter{w, s}, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(served.Close)
	s.URL, s.Host = served.URL, strings.TrimPrefix(served.URL, "http://")
	return s
}

// Require has the server ask for a login from now on.
func (s *Server) Require(username, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.login = username + ":" + password
}

// Shown gives the logins, as USERNAME:PASSWORD, that clients have shown.
func (s *Server) Shown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shown)
}

func (s *Server) admits(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	username, password, given := r.BasicAuth()
	if given {
		s.shown = append(s.shown, username+":"+password)
	}
	return s.login == "" || s.login == username+":"+password
}

// Repo is a repository with a work tree.
type Repo struct {
	URL string

	t   testing.TB
	dir string // the work tree
}

// Repo makes a repository of one commit on the branch main that holds the
// files, by their paths. Without files it is empty.
func (s *Server) Repo(name string, files map[string]string) *Repo {
	s.t.Helper()
	r := &Repo{URL: s.URL + "/" + name + ".git", t: s.t, dir: s.t.TempDir()}
	r.Git("init", "--quiet", "--initial-branch=main", "--separate-git-dir", filepath.Join(s.root, name+".git"))
	r.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	if len(files) > 0 {
		r.Commit(files)
	}
	return r
}

// Forget removes a repository, so that its name can be used again.
func (s *Server) Forget(name string) {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.root, name+".git")); err != nil {
		s.t.Fatal(err)
	}
}

// Commit writes the files and commits everything that is in the work tree. It
// gives the id of the commit.
func (r *Repo) Commit(files map[string]string) string {
	r.t.Helper()
	for name, content := range files {
		r.Write(name, content, 0o644)
	}
	r.Git("add", "--all", "--force")
	r.Git("commit", "--quiet", "--allow-empty", "--message", "a commit")
	return r.Git("rev-parse", "HEAD")
}

// Write puts a file of the mode into the work tree. It replaces what is there.
func (r *Repo) Write(name, content string, mode os.FileMode) {
	r.t.Helper()
	full := r.place(name)
	if err := os.WriteFile(full, []byte(content), mode); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chmod(full, mode); err != nil {
		r.t.Fatal(err)
	}
}

// Symlink puts a symbolic link into the work tree.
func (r *Repo) Symlink(name, target string) {
	r.t.Helper()
	if err := os.Symlink(target, r.place(name)); err != nil {
		r.t.Fatal(err)
	}
}

// Submodule links a commit of another repository at the path, and says in
// .gitmodules that it is at the URL, in a commit.
func (r *Repo) Submodule(path, url, commit string) {
	r.t.Helper()
	r.Git("config", "--file", ".gitmodules", "submodule."+path+".path", path)
	r.Git("config", "--file", ".gitmodules", "submodule."+path+".url", url)
	r.Git("add", ".gitmodules")
	r.Git("update-index", "--add", "--cacheinfo", "160000,"+commit+","+path)
	r.Git("commit", "--quiet", "--message", "a submodule")
}

// Head gives the id of the commit that is checked out.
func (r *Repo) Head() string { return r.Git("rev-parse", "HEAD") }

// Mktree makes a tree of the entries, given as git ls-tree shows them, and gives
// its id.
func (r *Repo) Mktree(entries string) string {
	r.t.Helper()
	return r.run(strings.NewReader(entries), "mktree")
}

// Git runs git in the work tree and gives what it wrote.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.run(nil, args...)
}

func (r *Repo) run(stdin io.Reader, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir, cmd.Stdin = r.dir, stdin
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *Repo) place(name string) string {
	r.t.Helper()
	full := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.RemoveAll(full); err != nil {
		r.t.Fatal(err)
	}
	return full
}
