package git_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/engine/git"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

func TestSubmodulesComeWithTheirOwn(t *testing.T) {
	server := gittest.NewServer(t)
	inner := server.Repo("inner", map[string]string{"i": "inner"})
	middle := server.Repo("middle", map[string]string{"m": "middle"})
	middle.Submodule("deep", "../inner.git", inner.Head())
	outer := server.Repo("outer", map[string]string{"a/o": "outer"})
	outer.Submodule("a/lib", middle.URL, middle.Head())
	inner.Commit(map[string]string{"i": "newer"})

	c := client(t, server.Host)
	want := map[string]string{
		".gitmodules": "", "a/": "", "a/o": "outer", "a/lib/": "", "a/lib/m": "middle", "a/lib/.gitmodules": "",
		"a/lib/deep/": "", "a/lib/deep/i": "inner",
	}
	got := files(t, fetch(t, c, git.Request{URL: outer.URL, Submodules: true}))
	got[".gitmodules"], got["a/lib/.gitmodules"] = "", ""
	if !maps.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	want = map[string]string{"o": "outer", "lib/": "", "lib/m": "middle", "lib/.gitmodules": "", "lib/deep/": "", "lib/deep/i": "inner"}
	got = files(t, fetch(t, c, git.Request{URL: outer.URL, Dir: "a", Submodules: true}))
	got["lib/.gitmodules"] = ""
	if !maps.Equal(got, want) {
		t.Errorf("of the directory: got %q", got)
	}
	if got := files(t, fetch(t, c, git.Request{URL: outer.URL})); got["a/lib/m"] != "" {
		t.Errorf("a submodule came without being asked for: %q", got)
	}
}

func TestASubmoduleIsHeldToTheSameRules(t *testing.T) {
	canary := newCanary(t, func(*canary) {})
	server := gittest.NewServer(t)
	good := server.Repo("good", map[string]string{"1": "", "2": "", "3": ""})
	for url, test := range map[string]struct {
		kind git.Kind
		says string
	}{
		"http://" + canary.host + "/x.git":   {git.Refused, "--allow-git"},
		"file:///etc":                        {git.Submodule, "http"},
		"ext::sh -c true":                    {git.Submodule, "URL"},
		"--upload-pack=true":                 {git.Repository, "fsck error"},
		"git@example.com:x.git":              {git.Submodule, "URL"},
		"https://u:p@example.com/x.git":      {git.Submodule, "a user or a password"},
		"../none.git":                        {git.Submodule, "answered 404"},
		"":                                   {git.Submodule, "is empty"},
		"../../../../../../../../etc/passwd": {git.Submodule, "answered 404"},
	} {
		repo := server.Repo("outer", map[string]string{"f": ""})
		repo.Submodule("lib", url, good.Head())
		err := refused(t, client(t, server.Host), git.Request{URL: repo.URL, Submodules: true})
		if err.Kind != test.kind || !strings.Contains(err.Reason, test.says) {
			t.Errorf("%s: kind %s: %s", url, err.Kind, err.Reason)
		}
		server.Forget("outer")
	}
	canary.mustBeSilent(t)

	repo := server.Repo("outer", map[string]string{"f": ""})
	repo.Submodule("lib", good.URL, good.Head())
	c := client(t, server.Host)
	c.Limits.Files = 5
	if err := refused(t, c, git.Request{URL: repo.URL, Submodules: true}); err.Name != "files" {
		t.Errorf("the files of a submodule do not count: %s", err.Reason)
	}
	c.Limits = git.DefaultLimits
	c.Limits.Submodules = 0
	if err := refused(t, c, git.Request{URL: repo.URL, Submodules: true}); err.Name != "submodules" {
		t.Errorf("depth does not count: %s", err.Reason)
	}
}

func TestWhatGitWouldNotTakeIsRefused(t *testing.T) {
	server := gittest.NewServer(t)
	repo := server.Repo("outer", map[string]string{"f": ""})
	repo.Submodule("lib", "../x.git", repo.Head())
	tree := repo.Mktree(strings.Replace(repo.Git("ls-tree", "HEAD"), "100644", "120000", 1))
	repo.Git("update-ref", "refs/heads/main", repo.Git("commit-tree", "-m", "a link", tree))
	err := refused(t, client(t, server.Host), git.Request{URL: repo.URL, Submodules: true})
	if !strings.Contains(err.Reason, "fsck error") {
		t.Error(err)
	}
}
