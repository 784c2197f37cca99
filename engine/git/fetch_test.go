package git_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dockwire/dockwire/engine/git"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// client may connect to the servers, and leaves nothing behind.
func client(t *testing.T, allow ...string) *git.Client {
	t.Helper()
	policy, err := git.ParsePolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	c := &git.Client{Policy: policy, Limits: git.DefaultLimits, Temp: t.TempDir(), Prefix: "clone-"}
	t.Cleanup(func() {
		entries, err := os.ReadDir(c.Temp)
		if err != nil || len(entries) > 0 {
			t.Errorf("left behind: %v %v", entries, err)
		}
	})
	return c
}

func fetch(t *testing.T, c *git.Client, r git.Request) *git.Snapshot {
	t.Helper()
	s, err := c.Fetch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// refused fetches what must not be there and gives the error.
func refused(t *testing.T, c *git.Client, r git.Request) *git.Error {
	t.Helper()
	s, err := c.Fetch(t.Context(), r)
	if err == nil {
		s.Close()
		t.Fatal("it was fetched")
	}
	var known *git.Error
	if !errors.As(err, &known) {
		t.Fatalf("%T: %v", err, err)
	}
	return known
}

// files gives what a snapshot's tar has: content, link target, or "" for a
// directory, by path.
func files(t *testing.T, s *git.Snapshot) map[string]string {
	t.Helper()
	var out bytes.Buffer
	all := func(string) (bool, error) { return true, nil }
	if err := s.WriteTar(t.Context(), &out, all); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	tr := tar.NewReader(&out)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid+h.Gid != 0 || !h.ModTime.Equal(s.Time) {
			t.Errorf("%s has the owner %d:%d and the time %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		content, _ := io.ReadAll(tr)
		found[h.Name] = string(content) + h.Linkname
	}
}

func TestARefIsABranchATagACommitOrAFullName(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"version": "one"})
	first := repo.Head()
	repo.Git("tag", "light")
	repo.Git("tag", "--annotate", "--message", "a tag", "v1")
	repo.Git("branch", "feature/x")
	repo.Git("update-ref", "refs/pull/7/head", first)
	second := repo.Commit(map[string]string{"version": "two"})

	c := client(t, server.Host)
	for ref, want := range map[string]string{
		"": second, "HEAD": second, "main": second, "refs/heads/main": second, second: second,
		"feature/x": first, "light": first, "v1": first, "refs/tags/v1": first, "refs/pull/7/head": first, first: first,
	} {
		s := fetch(t, c, git.Request{URL: repo.URL, Ref: ref})
		if s.Commit != want {
			t.Errorf("%q is the commit %s, want %s", ref, s.Commit, want)
		}
		content := map[string]string{first: "one", second: "two"}[want]
		if got := files(t, s); got["version"] != content {
			t.Errorf("%q has the version %q, want %q", ref, got["version"], content)
		}
	}
}

func TestWhatCannotBeFetchedIsSaid(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"f": "x", "d/f": "x"})
	repo.Symlink("link", "d")
	repo.Commit(nil)
	repo.Git("tag", "blob", repo.Git("rev-parse", "HEAD:f"))
	empty := server.Repo("empty", nil)
	c := client(t, server.Host)

	tests := map[string]struct {
		request git.Request
		kind    git.Kind
		says    string
	}{
		"no such repository": {git.Request{URL: server.URL + "/none.git"}, git.Repository, "answered 404"},
		"an empty one":       {git.Request{URL: empty.URL}, git.Repository, "is empty"},
		"no such branch":     {git.Request{URL: repo.URL, Ref: "none"}, git.Ref, "no branch or tag none"},
		"no such commit":     {git.Request{URL: repo.URL, Ref: strings.Repeat("1", 40)}, git.Ref, "no commit 1111"},
		"a short commit":     {git.Request{URL: repo.URL, Ref: repo.Head()[:7]}, git.Ref, "40 digits"},
		"a ref to a file":    {git.Request{URL: repo.URL, Ref: "blob"}, git.Ref, "is no commit"},
		"no such directory":  {git.Request{URL: repo.URL, Dir: "e"}, git.Dir, "no directory e"},
		"a file for one":     {git.Request{URL: repo.URL, Dir: "f"}, git.Dir, "a regular file and not a directory"},
		"a link for one":     {git.Request{URL: repo.URL, Dir: "link"}, git.Dir, "a symbolic link and not a directory"},
		"below a link":       {git.Request{URL: repo.URL, Dir: "link/sub"}, git.Dir, "no directory link/sub"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := refused(t, c, test.request)
			if err.Kind != test.kind || !strings.Contains(err.Reason, test.says) {
				t.Errorf("kind %s: %s", err.Kind, err.Reason)
			}
		})
	}
}

func TestADirectoryIsARootOfItsOwn(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"top": "t", "a/b/f": "x", "a/b/c/g": "y", "a/other": "z"})
	s := fetch(t, client(t, server.Host), git.Request{URL: repo.URL, Dir: "a/b"})
	want := map[string]string{"f": "x", "c/": "", "c/g": "y"}
	if got := files(t, s); !maps.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if content, err := s.File(t.Context(), "c/g"); err != nil || string(content) != "y" {
		t.Errorf("%q %v", content, err)
	}
}

func TestFilesComeOutAsTheyWereCommitted(t *testing.T) {
	server := gittest.NewServer(t)
	attributes := "* export-subst text eol=crlf ident working-tree-encoding=UTF-16 filter=evil\nhidden export-ignore\n"
	content := map[string]string{".gitattributes": attributes, "hidden": "h", "f": "$Format:%H$ $Id$\nline\n", "sub/.gitattributes": "* export-ignore\n", "sub/f": "s", "crlf": "a\r\nb\r\n"}
	repo := server.Repo("app", map[string]string{"unrelated": ""})
	repo.Git("config", "core.autocrlf", "false")
	repo.Git("config", "core.attributesFile", "/dev/null")
	for name, text := range content {
		repo.Write(name, text, 0o755)
		id := repo.Git("hash-object", "-w", "--no-filters", name)
		repo.Git("update-index", "--add", "--cacheinfo", "100755,"+id+","+name)
	}
	repo.Git("commit", "--quiet", "--message", "hostile")

	got := files(t, fetch(t, client(t, server.Host), git.Request{URL: repo.URL}))
	for name, want := range content {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestOnlySmallRegularFilesAreRead(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"file": "x", "large": strings.Repeat("x", git.MaxFile+1), "dir/f": "x", "*": "star"})
	repo.Symlink("link", "/etc/passwd")
	repo.Symlink("dirlink", "dir")
	repo.Commit(nil)
	s := fetch(t, client(t, server.Host), git.Request{URL: repo.URL})

	for name, says := range map[string]string{
		"link": "a symbolic link", "large": "larger than 1 MiB", "dir": "a directory",
		"none": "there is no none", "dirlink/f": "there is no dirlink/f", "fil?": "there is no",
	} {
		_, err := s.File(t.Context(), name)
		var known *git.Error
		if !errors.As(err, &known) || known.Kind != git.File || !strings.Contains(known.Reason, says) {
			t.Errorf("%s: %v", name, err)
		}
		if absent := strings.HasPrefix(says, "there is no"); absent != errors.Is(err, git.ErrNoFile) {
			t.Errorf("%s: absent is %v", name, absent)
		}
	}
	if content, err := s.File(t.Context(), "*"); err != nil || string(content) != "star" {
		t.Errorf("%q %v", content, err)
	}
}

func TestALimitEndsTheFetch(t *testing.T) {
	server := gittest.NewServer(t)
	noise := make([]byte, 300<<10)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	repo := server.Repo("app", map[string]string{"a/b/c/d": "x", "b": "x", "noise": string(noise)})

	for name, lower := range map[string]func(*git.Limits){
		"received": func(l *git.Limits) { l.Received = 100 << 10 },
		"files":    func(l *git.Limits) { l.Files = 2 },
		"size":     func(l *git.Limits) { l.Size = 200 << 10 },
		"depth":    func(l *git.Limits) { l.Depth = 3 },
		"path":     func(l *git.Limits) { l.Path = 6 },
		"time":     func(l *git.Limits) { l.Time = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, server.Host)
			lower(&c.Limits)
			if err := refused(t, c, git.Request{URL: repo.URL}); err.Kind != git.Limit || err.Name != name {
				t.Errorf("kind %s, name %s: %s", err.Kind, err.Name, err.Reason)
			}
		})
	}
}

func TestATreeOfTreesIsGivenUpSoon(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("bomb", map[string]string{"f": "x"})
	tree := repo.Git("rev-parse", "HEAD:")
	for range 12 {
		var list strings.Builder
		for _, name := range "abcdefghij" {
			list.WriteString("040000 tree " + tree + "\t" + string(name) + "\n")
		}
		tree = repo.Mktree(list.String())
	}
	repo.Git("update-ref", "refs/heads/main", repo.Git("commit-tree", "-m", "a bomb", tree))
	began := time.Now()
	if err := refused(t, client(t, server.Host), git.Request{URL: repo.URL}); err.Kind != git.Limit {
		t.Errorf("kind %s: %s", err.Kind, err.Reason)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestProgressIsShownWhileItFetches(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("app", map[string]string{"f": "x"})
	var said bytes.Buffer
	fetch(t, client(t, server.Host), git.Request{URL: repo.URL, Progress: &said})
	if !strings.Contains(said.String(), "remote: Counting objects: 100%") {
		t.Errorf("%q", said.String())
	}
}

func TestCancellingKillsAllOfGit(t *testing.T) {
	canary := newCanary(t, func(c *canary) { <-c.ctx.Done() })
	c := client(t, canary.host)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.Fetch(ctx, git.Request{URL: "http://" + canary.host + "/app.git"})
		ended <- err
	}()
	<-canary.asked
	why := errors.New("nobody wants it")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Error(err)
	}
	if left := processes(t, c.Temp); left != "" {
		t.Errorf("still running: %s", left)
	}
}

// processes gives the command lines that name a directory.
func processes(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("ps", "-e", "-o", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(l string) bool { return !strings.Contains(l, dir) })
	return strings.Join(lines, "\n")
}

func TestCleanRemovesOnlyWhatIsOurs(t *testing.T) {
	temp := t.TempDir()
	for _, name := range []string{"dw-a-clone-123", "dw-a-clone-b-clone-123", "dw-a-clone-x", "other"} {
		if err := os.MkdirAll(temp+"/"+name+"/objects", 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := &git.Client{Temp: temp, Prefix: "dw-a-clone-"}
	if err := c.Clean(); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(temp)
	if len(entries) != 3 || entries[0].Name() != "dw-a-clone-b-clone-123" {
		t.Errorf("left: %v", entries)
	}
}

// What git says of a full disk is no fault of the repository's, and shows
// nothing of this host.
func TestAFullDiskIsALimit(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("large", nil)
	random := make([]byte, 4<<20)
	rand.Read(random)
	repo.Commit(map[string]string{"random": string(random)})
	c := client(t, server.Host)
	if err := unix.Mount("tmpfs", c.Temp, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("the tests take root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(c.Temp, 0) })
	var said bytes.Buffer
	err := refused(t, c, git.Request{URL: repo.URL, Ref: "HEAD", Progress: &said})
	if err.Kind != git.Limit || err.Name != "disk" || strings.Contains(err.Reason+said.String(), c.Temp) {
		t.Errorf("it is answered with %+v, and git says %s", err, &said)
	}
	if left, failed := os.ReadDir(c.Temp); len(left) > 0 || failed != nil {
		t.Errorf("left behind: %v %v", left, failed)
	}
}
