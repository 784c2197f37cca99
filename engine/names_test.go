package engine

import (
	"strings"
	"testing"
)

func TestContainerNamesAreDNSLabels(t *testing.T) {
	for name, ok := range map[string]bool{
		"ab":                    true,
		"prod-1":                true,
		"0x":                    true,
		"xn--bcher-kva":         true,
		strings.Repeat("a", 63): true,
		strings.Repeat("a", 64): false,
		"":                      false,
		"a":                     false,
		"-ab":                   false,
		"ab-":                   false,
		"Prod":                  false,
		"a_b":                   false,
		"a.b":                   false,
		"a/b":                   false,
		"ab\n":                  false,
		"bücher":                false,
		"rpc":                   false,
		"rpcs":                  true,
	} {
		err := checkName("name", name)
		if ok != (err == nil) {
			t.Errorf("the name %q gave %v", name, err)
		}
		if err != nil && wantClass(t, err, Invalid, "name").Data.Param != "name" {
			t.Errorf("the error for %q does not name the parameter", name)
		}
	}
}

func TestImageNamesAreComponentsOfAReference(t *testing.T) {
	for name, ok := range map[string]bool{
		"game":                   true,
		"g":                      true,
		"game_backend.v3-x":      true,
		"a__b":                   true,
		"a---b":                  true,
		"a..b":                   false,
		"a___b":                  false,
		".a":                     false,
		"a-":                     false,
		"Game":                   false,
		"a/b":                    false,
		"a:b":                    false,
		"a@b":                    false,
		"":                       false,
		strings.Repeat("a", 128): true,
		strings.Repeat("a", 129): false,
	} {
		if err := checkImageName("name", name); ok != (err == nil) {
			t.Errorf("the name %q gave %v", name, err)
		}
	}
}

func TestOwnReferenceTakesNamesAndCommitsOnly(t *testing.T) {
	for name, want := range map[string]string{
		"game":                      "localhost/dockwire/game:latest",
		"game:0123abc":              "localhost/dockwire/game:0123abc",
		"game:latest":               "",
		"postgres:16":               "",
		"game:0123abg":              "",
		"game:":                     "",
		"x/game":                    "",
		"localhost/dockwire/game":   "",
		"game@sha256:0123456789abc": "",
	} {
		ref, ok := ownReference(repository, name)
		if ok != (want != "") || ok && ref != want {
			t.Errorf("%q gave %q, %v", name, ref, ok)
		}
	}
}

func TestCustomDomainsAreHostNamesOutsideTheBase(t *testing.T) {
	for domain, ok := range map[string]bool{
		"shop.example.com":                      true,
		"localhost":                             false,
		"test.localhost":                        false,
		"web.test.localhost":                    false,
		"webtest.localhost":                     true,
		"Shop.example.com":                      false,
		"shop.example.com.":                     false,
		"shop..com":                             false,
		"-a.com":                                false,
		"a.com:80":                              false,
		"*.a.com":                               false,
		"127.0.0.1":                             false,
		"192.0.2.1":                             false,
		strings.Repeat("abcdefgh.", 28) + "com": false,
	} {
		if err := checkDomain(domain, "test.localhost"); ok != (err == nil) {
			t.Errorf("the domain %q gave %v", domain, err)
		}
	}
}

func TestVolumesAreNamesAtCleanPaths(t *testing.T) {
	for text, ok := range map[string]bool{
		"data:/var/lib/data":     true,
		"data:/":                 false,
		"data:":                  false,
		"data":                   false,
		"/etc:/etc":              false,
		"..:/etc":                false,
		"data:relative":          false,
		"data:/a/../b":           false,
		"data:/a/":               false,
		"data:/a//b":             false,
		"data:/a:ro":             false,
		"data:/a\x00":            false,
		"data:/a,data2:/b":       false,
		"Data:/a":                false,
		"docker.sock:/a":         false,
		"a/b:/c":                 false,
		"data:/../etc":           false,
		"data:/./etc":            false,
		"data:" + longPath(4096): true,
		"data:" + longPath(4097): false,
	} {
		if _, err := parseVolumes([]string{text}); ok != (err == nil) {
			t.Errorf("the volume %q gave %v", text, err)
		}
	}
	if _, err := parseVolumes([]string{"aa:/data", "bb:/data"}); err == nil {
		t.Error("two volumes at one path were taken")
	}
}

func longPath(length int) string { return "/" + strings.Repeat("x", length-1) }

// Whatever a caller gives, no name of ours leads out of our part of the
// engine's names.
func FuzzOwnReference(f *testing.F) {
	for _, seed := range []string{"game", "game:0123abc", "../x", "a:b:c", "A", "a//b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		ref, ok := ownReference(repository, name)
		if !ok {
			return
		}
		rest, found := strings.CutPrefix(ref, repository)
		if !found || strings.ContainsAny(rest, "/@ \n") || strings.Count(rest, ":") != 1 {
			t.Errorf("%q gave the reference %q", name, ref)
		}
		if back, _ := imageOfTag(repository, ref); back != name {
			t.Errorf("%q came back as %q", name, back)
		}
	})
}
