package git_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/engine/git"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// keeper is a client that keeps what it has fetched in a directory.
type keeper struct {
	*git.Client
	t      *testing.T
	dir    string
	limits git.CacheLimits
}

func newKeeper(t *testing.T, limits git.CacheLimits, allow ...string) *keeper {
	t.Helper()
	k := &keeper{Client: client(t, allow...), t: t, dir: filepath.Join(t.TempDir(), "kept"), limits: limits}
	k.restart()
	return k
}

// restart does what the next process would.
func (k *keeper) restart() {
	k.t.Helper()
	cache, err := git.OpenCache(k.dir, k.limits)
	if err != nil {
		k.t.Fatal(err)
	}
	k.Cache = cache
	if err := k.Clean(); err != nil {
		k.t.Fatal(err)
	}
}

// files fetches a repository, and gives what it holds.
func (k *keeper) files(r git.Request) map[string]string {
	k.t.Helper()
	s, err := k.Fetch(k.t.Context(), r)
	if err != nil {
		k.t.Fatal(err)
	}
	got := files(k.t, s)
	if err := s.Close(); err != nil {
		k.t.Error(err)
	}
	return got
}

// kept gives the directories of the repositories that are kept.
func (k *keeper) kept() []string {
	k.t.Helper()
	found, err := filepath.Glob(filepath.Join(k.dir, "*"))
	if err != nil {
		k.t.Fatal(err)
	}
	return found
}

// noise gives text of a size that cannot be made smaller.
func noise(size int) string {
	text := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(size)})
	source.Read(text)
	return string(text)
}

func TestTheNextFetchBringsOnlyWhatHasChanged(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	want := map[string]string{"large": noise(1 << 20), "small": "1"}
	repo := server.Repo("app", want)
	k.files(git.Request{URL: repo.URL})
	if sent := server.Sent(); sent < 1<<20 {
		t.Errorf("the first fetch brought %d bytes", sent)
	}
	for _, restart := range []bool{false, true} {
		if restart {
			k.restart()
		}
		want["small"] = fmt.Sprint(restart)
		commit := repo.Commit(map[string]string{"small": want["small"]})
		for range 2 {
			if got := k.files(git.Request{URL: repo.URL, Ref: commit}); !maps.Equal(got, want) {
				t.Error("it holds something else")
			}
			if sent := server.Sent(); sent > 4<<10 {
				t.Errorf("the next fetch brought %d bytes (restarted: %v)", sent, restart)
			}
		}
	}
}

func TestSubmodulesAreKeptToo(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	inner := server.Repo("inner", map[string]string{"large": noise(100_000)})
	outer := server.Repo("outer", map[string]string{"a": "1"})
	outer.Submodule("lib", inner.URL, inner.Head())
	for i := range 2 {
		server.Sent()
		if got := k.files(git.Request{URL: outer.URL, Submodules: true}); got["lib/large"] != noise(100_000) {
			t.Error("it holds something else")
		}
		if sent := server.Sent(); (sent < 10_000) != (i > 0) {
			t.Errorf("fetch %d brought %d bytes", i, sent)
		}
	}
}

func TestNobodyReadsWhatWasFetchedWithALoginOfAnother(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	repo := server.Repo("private", map[string]string{"secret": noise(100_000)})
	server.Require("user", "right")
	mine := git.Request{URL: repo.URL, Ref: repo.Head(), Login: &git.Login{Username: "user", Password: "right"}}
	k.files(mine)
	if len(k.kept()) != 1 {
		t.Fatalf("kept are %v", k.kept())
	}
	for name, login := range map[string]*git.Login{"no login": nil, "a wrong one": {Username: "user", Password: "wrong"}} {
		if err := refused(t, k.Client, git.Request{URL: repo.URL, Ref: repo.Head(), Login: login}); err.Kind != git.Repository {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.Require("other", "right") // may fetch, and does not get our copy
	server.Sent()
	k.files(git.Request{URL: repo.URL, Login: &git.Login{Username: "other", Password: "right"}})
	if sent := server.Sent(); sent < 100_000 {
		t.Errorf("another login had the repository of the first: only %d bytes came", sent)
	}
	if err := refused(t, k.Client, mine); err.Kind != git.Repository { // withdrawn
		t.Errorf("a login that was withdrawn: %v", err)
	}
	k.restart()
	if kept := k.kept(); len(kept) > 0 {
		t.Errorf("after a restart %v are kept", kept)
	}
}

func TestACommitThatTheServerDoesNotGiveIsNotTakenFromTheCache(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	repo := server.Repo("app", map[string]string{"a": "1"})
	withdrawn := repo.Commit(map[string]string{"a": "a secret"})
	k.files(git.Request{URL: repo.URL, Ref: withdrawn})
	repo.Git("reset", "--quiet", "--hard", "HEAD~1")
	repo.Git("reflog", "expire", "--expire=now", "--all")
	repo.Git("gc", "--quiet", "--prune=now")
	for range 2 {
		if err := refused(t, k.Client, git.Request{URL: repo.URL, Ref: withdrawn}); err.Kind != git.Ref {
			t.Error(err)
		}
	}
	if got := k.files(git.Request{URL: repo.URL}); got["a"] != "1" {
		t.Errorf("it holds %q", got)
	}
}

func TestADamagedRepositoryIsThrownAway(t *testing.T) {
	truncate := func(pattern string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(found) == 0 {
				t.Fatal(pattern, err)
			}
			for _, file := range found {
				if err := os.Chmod(file, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(file, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, string){
		"packs":               truncate("objects/pack/*.pack"),
		"indexes of packs":    truncate("objects/pack/*.idx"),
		"the head":            truncate("HEAD"),
		"the configuration":   write("config", "[core\n"),
		"the last commit":     truncate("refs/heads/last"),
		"a commit of nowhere": write("refs/heads/last", strings.Repeat("1", 40)+"\n"),
		"the shallow file":    write("shallow", "no commit\n"),
		"a lock":              write("shallow.lock", ""),
		"no repository": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "objects")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := gittest.NewServer(t)
			k := newKeeper(t, git.CacheLimits{}, server.Host)
			repo := server.Repo("app", map[string]string{"a": noise(10_000), "b": "1"})
			k.files(git.Request{URL: repo.URL})
			damage(t, k.kept()[0])
			repo.Commit(map[string]string{"b": "2"})
			for range 2 {
				if got := k.files(git.Request{URL: repo.URL}); got["b"] != "2" || got["a"] != noise(10_000) {
					t.Error("it holds something else")
				}
			}
		})
	}
}

func TestWhatCannotBeReadIsNotKept(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	repo := server.Repo("app", map[string]string{"a": noise(10_000)})
	k.files(git.Request{URL: repo.URL})
	pack, err := filepath.Glob(filepath.Join(k.kept()[0], "objects", "pack", "*.pack"))
	if err != nil || len(pack) != 1 {
		t.Fatal(pack, err)
	}
	data, err := os.ReadFile(pack[0])
	if err != nil {
		t.Fatal(err)
	}
	middle := len(data) / 2
	copy(data[middle:], strings.Repeat("\xff", 1000))
	if err := os.Remove(pack[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pack[0], data, 0o400); err != nil {
		t.Fatal(err)
	}
	s, err := k.Fetch(t.Context(), git.Request{URL: repo.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WriteTar(t.Context(), &strings.Builder{}, func(string) (bool, error) { return true, nil }); err == nil {
		t.Error("what is damaged was read")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := k.files(git.Request{URL: repo.URL}); got["a"] != noise(10_000) {
		t.Error("it holds something else")
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	server := gittest.NewServer(t)
	var urls []string
	for i := range 3 {
		urls = append(urls, server.Repo(fmt.Sprint("app", i), map[string]string{"a": noise(100_000 + i)}).URL)
	}
	for name, test := range map[string]struct {
		limits git.CacheLimits
		want   []bool // whether the fetch of a repository finds it
	}{
		"by count":           {git.CacheLimits{Repositories: 2}, []bool{true, false, true}},
		"by bytes":           {git.CacheLimits{Bytes: 300_000}, []bool{true, false, true}},
		"to nothing":         {git.CacheLimits{Repositories: -1}, []bool{false, false, false}},
		"to less than there": {git.CacheLimits{Bytes: 1000}, []bool{false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, test.limits, server.Host)
			for _, i := range []int{0, 1, 0, 2} { // 1 is the one not used for longest
				k.files(git.Request{URL: urls[i]})
			}
			k.restart()
			for _, i := range []int{0, 2, 1} {
				server.Sent()
				k.files(git.Request{URL: urls[i]})
				if found := server.Sent() < 50_000; found != test.want[i] {
					t.Errorf("repository %d was found: %v", i, found)
				}
			}
		})
	}
}

func TestARepositoryIsNotKeptForEver(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	repo := server.Repo("app", map[string]string{"a": noise(10_000)})
	anew := 0
	for i := range 60 {
		repo.Commit(map[string]string{"b": fmt.Sprint(i)})
		server.Sent()
		k.files(git.Request{URL: repo.URL})
		if server.Sent() > 10_000 {
			anew++
		}
	}
	if anew != 2 {
		t.Errorf("it was fetched anew %d times", anew)
	}
}

func TestWhatIsNotOursGoesFromTheDirectoryOfTheCache(t *testing.T) {
	k := newKeeper(t, git.CacheLimits{})
	outside := filepath.Join(t.TempDir(), "outside")
	name := filepath.Join(k.dir, "public-"+strings.Repeat("0", 64))
	for _, err := range []error{
		os.MkdirAll(filepath.Join(k.dir, "login-"+strings.Repeat("0", 64), "objects"), 0o700),
		os.WriteFile(filepath.Join(k.dir, "public-"+strings.Repeat("1", 64)), nil, 0o600),
		os.WriteFile(outside, nil, 0o600),
		os.Symlink(filepath.Dir(outside), name),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	k.restart()
	if kept := k.kept(); len(kept) > 0 {
		t.Errorf("%v are kept", kept)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestFetchesOfOneRepositoryRunSideBySide(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	repo := server.Repo("app", map[string]string{"a": noise(50_000)})
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 3 {
				if got := k.files(git.Request{URL: repo.URL}); got["a"] != noise(50_000) {
					t.Error("it holds something else")
				}
			}
		})
	}
	running.Wait()
	if kept := k.kept(); len(kept) != 1 {
		t.Errorf("%v are kept", kept)
	}
}

// fetching is the environment of a process that fetches until it is killed: URL,
// host, and the directories of its cache and its clones.
const fetching = "DOCKWIRE_TEST_FETCHING"

func TestMain(m *testing.M) {
	if what := strings.Fields(os.Getenv(fetching)); len(what) == 4 {
		fetchForEver(what[0], what[1], what[2], what[3])
	}
	os.Exit(m.Run())
}

func fetchForEver(url, host, dir, temp string) {
	policy, _ := git.ParsePolicy([]string{host})
	cache, _ := git.OpenCache(dir, git.CacheLimits{})
	c := &git.Client{Policy: policy, Limits: git.DefaultLimits, Cache: cache, Temp: temp, Prefix: "clone-"}
	for {
		if s, err := c.Fetch(context.Background(), git.Request{URL: url}); err == nil {
			s.Close()
		}
	}
}

func TestAKillInTheMiddleOfAFetchLeavesWhatIsRightOrNothing(t *testing.T) {
	server := gittest.NewServer(t)
	k := newKeeper(t, git.CacheLimits{}, server.Host)
	repo := server.Repo("app", map[string]string{"a": noise(500_000)})
	for i := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fetching+"="+strings.Join([]string{repo.URL, server.Host, k.dir, k.Temp}, " "))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(i)
		repo.Commit(map[string]string{"b": want, "c": noise(1000 + i)})
		<-time.After(time.Duration(rand.IntN(300)) * time.Millisecond) // any moment will do
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		k.restart()
		if got := k.files(git.Request{URL: repo.URL}); got["b"] != want || got["a"] != noise(500_000) {
			t.Error("it holds something else")
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; { // until the children of what was killed are gone too
		if err := k.Clean(); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadDir(k.Temp)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 && exec.Command("pgrep", "-f", "git-dir="+k.Temp).Run() != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("left behind:", left)
		}
	}
}
