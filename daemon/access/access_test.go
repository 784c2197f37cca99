package access

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest"
)

func newGuard(t *testing.T) (*Guard, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "admin-token")
	tokens, err := OpenTokens(dir, path, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	guard := &Guard{Tokens: tokens, Hosts: []string{"Box.example"}, Origins: []string{"https://app.example"}}
	return guard, strings.TrimSpace(string(data))
}

func TestGuardChecksHostThenOriginThenToken(t *testing.T) {
	guard, token := newGuard(t)
	bearer := "Bearer " + token
	const ok = 0
	for _, test := range []struct {
		host, origin, authorization string
		status                      int
	}{
		{"localhost:7420", "", bearer, ok},
		{"LOCALHOST.:7420", "", bearer, ok},
		{"127.0.0.1", "", bearer, ok},
		{"[::1]:7420", "", bearer, ok},
		{"box.example", "", bearer, ok},
		{"localhost", "https://app.example", bearer, ok},
		{"localhost", "http://localhost:5173", bearer, ok},
		{"localhost", "http://127.0.0.1", bearer, ok},
		{"localhost", "", "bearer " + token, ok},
		{"box.example:7420", "http://box.example:7420", bearer, ok}, // its own page

		{"", "", bearer, http.StatusForbidden},
		{"evil.example", "", bearer, http.StatusForbidden},
		{"localhost.evil.example", "", bearer, http.StatusForbidden},
		{"evil.example:localhost", "", bearer, http.StatusForbidden},
		{"127.0.0.1.evil.example", "", bearer, http.StatusForbidden},
		{"prod.localhost", "", bearer, http.StatusForbidden},
		{"evil.example", "", "", http.StatusForbidden}, // Host comes first

		{"localhost", "null", bearer, http.StatusForbidden},
		{"localhost", "", "", http.StatusUnauthorized},
		{"localhost", "https://localhost", bearer, http.StatusForbidden},
		{"localhost", "http://localhost.evil.example", bearer, http.StatusForbidden},
		{"localhost", "http://prod.localhost:8420", bearer, http.StatusForbidden},
		{"localhost", "http://localhost@evil.example", bearer, http.StatusForbidden},
		{"localhost", "http://localhost:1/x", bearer, http.StatusForbidden},
		{"localhost", "https://app.example.evil.example", bearer, http.StatusForbidden},
		{"localhost", "https://app.example:444", bearer, http.StatusForbidden},
		{"box.example:7420", "http://box.example:8420", bearer, http.StatusForbidden}, // an app on another port
		{"box.example:7420", "https://box.example:7420", bearer, http.StatusForbidden},
		{"box.example:7420", "http://evil.example:7420", bearer, http.StatusForbidden},
		{"localhost", "https://evil.example", "", http.StatusForbidden}, // Origin comes before the token

		{"localhost", "", "Bearer " + token + "x", http.StatusUnauthorized},
		{"localhost", "", "Bearer ", http.StatusUnauthorized},
		{"localhost", "", "Basic " + token, http.StatusUnauthorized},
		{"localhost", "", token, http.StatusUnauthorized},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		if test.authorization != "" {
			r.Header.Set("Authorization", test.authorization)
		}
		grant, refusal := guard.Check(r)
		switch {
		case test.status == ok && refusal != nil:
			t.Errorf("%+v is refused: %s", test, refusal.Reason)
		case test.status == ok && grant.Scope != Admin:
			t.Errorf("%+v gives the scope %s", test, grant.Scope)
		case test.status != ok && (refusal == nil || refusal.Status != test.status):
			t.Errorf("%+v: refusal %+v", test, refusal)
		case refusal != nil && strings.Contains(refusal.Reason+refusal.Allow, token):
			t.Errorf("%+v: the refusal shows the token", test)
		}
	}
}

func TestABrowserShowsItsTokenAsASubprotocol(t *testing.T) {
	guard, token := newGuard(t)
	for protocol, want := range map[string]bool{
		"jsonrpc, bearer." + base64.RawURLEncoding.EncodeToString([]byte(token)): true,
		"jsonrpc,bearer." + base64.URLEncoding.EncodeToString([]byte(token)):     true,
		"jsonrpc, bearer." + token: false,
		"jsonrpc":                  false,
		"jsonrpc, bearer.":         false,
		"jsonrpc, bearer." + base64.RawURLEncoding.EncodeToString([]byte("not a token")): false,
	} {
		r := httptest.NewRequest("GET", "http://localhost/?token="+token, nil)
		r.Header.Set("Sec-WebSocket-Protocol", protocol)
		if _, refusal := guard.Check(r); (refusal == nil) != want {
			t.Errorf("%q: %+v", protocol, refusal)
		}
	}
}

func TestTwoOriginsAreOneTooMany(t *testing.T) {
	guard, token := newGuard(t)
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header["Origin"] = []string{"http://localhost", "https://evil.example"}
	if _, refusal := guard.Check(r); refusal == nil {
		t.Error("it was let in")
	}
}

func TestThePageOfATLSListenerIsItsOwn(t *testing.T) {
	guard, token := newGuard(t)
	for _, test := range []struct {
		tls, proxied bool
		origin       string
		want         bool
	}{
		{true, false, "https://box.example", true},
		{true, false, "http://box.example", false},
		{false, true, "https://box.example", true},
		{false, false, "https://box.example", false},
	} {
		r := httptest.NewRequest("GET", "http://box.example/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Origin", test.origin)
		if test.tls {
			r.TLS = &tls.ConnectionState{}
		}
		guard.BehindProxy = test.proxied
		if _, refusal := guard.Check(r); (refusal == nil) != test.want {
			t.Errorf("%+v: %+v", test, refusal)
		}
	}
}

func TestTheAdminTokenIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin-token")
	first, err := adminSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if second, err := adminSecret(path); err != nil || second != first {
		t.Fatalf("another token, or %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("others may read it still: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := adminSecret(path); err == nil {
		t.Error("an empty file is a token")
	}
}

func TestAScopeAllowsWhatNarrowerOnesDo(t *testing.T) {
	for _, test := range []struct {
		has, needs Scope
		want       bool
	}{
		{Admin, Read, true}, {Admin, Admin, true}, {Deploy, Read, true}, {Deploy, Admin, false},
		{Read, Deploy, false}, {None, Read, false}, {Admin, None, false}, {None, None, false},
	} {
		if got := test.has.Allows(test.needs); got != test.want {
			t.Errorf("%s allows what needs %s: %v", test.has, test.needs, got)
		}
	}
}

func TestPatternsAreOfNames(t *testing.T) {
	for _, test := range []struct {
		patterns Names
		name     string
		want     bool
	}{
		{Names{"game*"}, "game", true},
		{Names{"game*"}, "gamebackend", true},
		{Names{"game*"}, "game.example.com", true},
		{Names{"game*"}, "agame", false},
		{Names{"game*"}, "Game", false},
		{Names{"game*"}, "", false},
		{Names{"game*"}, "game/../other", false},
		{Names{"game*"}, "ghcr.io/x/game", false},
		{Names{"game"}, "game2", false},
		{Names{"g", "h?"}, "hi", true},
		{Names{"g", "h?"}, "h", false},
		{Names{"[a-c]x"}, "bx", true},
		{Names{"*"}, "ghcr.io/x/game", true},
		{Names{"*"}, "", true},
		{Names{"*a*"}, "", false},
		{Names{"[a"}, "[a", false},
		{nil, "game", false},
	} {
		if got := test.patterns.Match(test.name); got != test.want {
			t.Errorf("%q for %q: %v", test.patterns, test.name, got)
		}
	}
	for _, bad := range []Names{nil, {}, {""}, {"a", ""}, {"[a"}, {"a\\"}} {
		if bad.Check() == nil {
			t.Errorf("%q are patterns", bad)
		}
	}
}
