package git

import (
	"strings"
	"testing"
)

func TestAURLIsTakenApart(t *testing.T) {
	for raw, want := range map[string][3]string{
		"https://example.com/a.git":               {"https://example.com/a.git"},
		"HTTPS://Example.COM:443/A.git":           {"https://example.com/A.git"},
		"http://example.com:80/a":                 {"http://example.com/a"},
		"http://example.com:8080/a":               {"http://example.com:8080/a"},
		"https://example.com/a.git#":              {"https://example.com/a.git"},
		"https://example.com/a.git#v1":            {"https://example.com/a.git", "v1"},
		"https://example.com/a.git#v1:some/dir":   {"https://example.com/a.git", "v1", "some/dir"},
		"https://example.com/a.git#:dir":          {"https://example.com/a.git", "", "dir"},
		"https://example.com/a.git#feature%2Fx:d": {"https://example.com/a.git", "feature/x", "d"},
		"http://[::1]:3000/a.git":                 {"http://[::1]:3000/a.git"},
	} {
		location, ref, dir, err := ParseURL(raw)
		if got := [3]string{location, ref, dir}; err != nil || got != want {
			t.Errorf("%s: %q %v", raw, got, err)
		}
	}
}

func TestAHostileURLIsRefused(t *testing.T) {
	for _, raw := range []string{
		"", "example.com/a.git", "/etc/passwd", "./a", "file:///etc", "ssh://git@example.com/a", "git://example.com/a", "git@example.com:a.git",
		"ext::sh -c id", "-oProxyCommand=id", "--upload-pack=id", "ftp://example.com/a", "javascript:alert(1)",
		"https://", "https:///a", "https://user@example.com/a", "https://user:secret@example.com/a", "https://:x@example.com/a",
		"https://example.com\\@evil.example/a", "https://example.com/a\\b", "https://example.com/a\nb", "https://example.com/a\x00", "https://exa\tmple.com/a",
		"https://example.com/\xff", "https://example.com:0/a", "https://example.com:99999/a", "https://example.com:x/a", "https://exa mple.com/a",
		"https://example.com/" + strings.Repeat("a", maxURL),
	} {
		if location, _, _, err := ParseURL(raw); err == nil {
			t.Errorf("%q became %q", raw, location)
		}
	}
}

func TestAHostileRefIsRefused(t *testing.T) {
	for _, ref := range []string{"main", "v1.2.3", "feature/x", "refs/pull/7/head", strings.Repeat("a", 40), "überarbeitung", "a-b_c@d"} {
		if err := CheckRef(ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for _, ref := range []string{
		"", "-x", "--upload-pack=id", "+main", "^main", "main:refs/heads/x", "a..b", "/main", "main/", "a//b", "a/.b", ".a", "a.lock", "a.lock/b", "a.",
		"main^", "main~1", "@", "main@{1}", "a b", "a\nb", "a*", "a?", "a[b]", "a\\b", "a\x7f", "\xff", strings.Repeat("a", maxRef+1),
	} {
		if CheckRef(ref) == nil {
			t.Errorf("%q was taken", ref)
		}
	}
}

func TestAPathStaysInTheRepository(t *testing.T) {
	for raw, want := range map[string]string{"": "", ".": "", "./": "", "a": "a", "a/": "a", "./a//b/./c": "a/b/c", "a..b": "a..b"} {
		if got, err := CleanPath(raw); err != nil || got != want {
			t.Errorf("%q: %q %v", raw, got, err)
		}
	}
	for _, raw := range []string{"/", "/etc", "..", "../a", "a/..", "a/../b", "-a", "a\nb", "a\x00", "\xff", strings.Repeat("a", maxPath+1)} {
		if got, err := CleanPath(raw); err == nil {
			t.Errorf("%q became %q", raw, got)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"https://example.com/a.git#v1:dir", "HTTP://[::1]:80/#:", "https://a%2fb/", "http://x/?a#b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		location, _, _, err := ParseURL(raw)
		if err != nil {
			return
		}
		again, ref, dir, err := ParseURL(location)
		if err != nil || again != location || ref+dir != "" {
			t.Errorf("%q became %q, and that %q, %q, %q, %v", raw, location, again, ref, dir, err)
		}
	})
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("100644 blob 1234       5\ta/b\x00160000 commit 12 -\tc\x00"), 3)
	f.Fuzz(func(t *testing.T, list []byte, cut int) {
		s := &scanner{usage: &usage{}, limits: Limits{Files: 10, Size: 100, Path: 20, Depth: 3}}
		cut = max(0, min(cut, len(list)))
		if _, err := s.Write(list[:cut]); err == nil {
			_, _ = s.Write(list[cut:])
		}
		if s.err == nil && s.usage.files > 10 {
			t.Errorf("%d files were taken", s.usage.files)
		}
	})
}
