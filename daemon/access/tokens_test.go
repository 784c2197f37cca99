package access

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

func newTokens(t *testing.T) (*Tokens, string) {
	t.Helper()
	dir := t.TempDir()
	tokens, err := OpenTokens(dir, filepath.Join(dir, "admin-token"), zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return tokens, dir
}

func create(t *testing.T, dir string, scope Scope, expires time.Time, names ...string) (Token, string) {
	t.Helper()
	token, secret, err := CreateToken(dir, scope, names, expires)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func TestATokenIsTakenFromItsCreationToItsRevocation(t *testing.T) {
	tokens, dir := newTokens(t)
	token, secret := create(t, dir, Deploy, time.Time{}, "game*")
	grant := tokens.find(secret)
	if grant == nil || grant.ID != token.ID || grant.Scope != Deploy || !slices.Equal(grant.Names, token.Names) || grant.Ended() != nil {
		t.Fatalf("the grant is %+v", grant)
	}
	create(t, dir, Read, time.Time{}, "*")
	if err := grant.Ended(); err != nil {
		t.Errorf("another token's creation ends it: %v", err)
	}
	if tokens.find(secret) != grant {
		t.Error("a second connection has another grant")
	}
	if tokens.find(secret+"x") != nil || tokens.find("") != nil || tokens.find(token.ID) != nil {
		t.Error("what is no secret is taken")
	}
	if err := RevokeToken(dir, token.ID); err != nil {
		t.Fatal(err)
	}
	if err := grant.Ended(); !errors.Is(err, errRevoked) {
		t.Errorf("it has ended with %v", err)
	}
	if tokens.find(secret) != nil {
		t.Error("it is still taken")
	}
	if err := RevokeToken(dir, token.ID); !errors.Is(err, ErrNoToken) {
		t.Errorf("revoked again: %v", err)
	}
}

func TestWhatRunsUnderATokenEndsThoughNobodyCalls(t *testing.T) {
	tokens, dir := newTokens(t)
	token, secret := create(t, dir, Read, time.Time{}, "*")
	ctx, release := tokens.find(secret).Bind(t.Context())
	defer release()
	watch, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = tokens.Watch(watch) })
	if err := RevokeToken(dir, token.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
	stop()
	watching.Wait()
}

func TestAFileThatIsNotWholeLetsNobodyInButTheAdmin(t *testing.T) {
	for name, spoil := range map[string]func(data string) string{
		"empty":             func(string) string { return "" },
		"truncated":         func(data string) string { return data[:len(data)/2] },
		"newer":             func(data string) string { return strings.Replace(data, `"version": 1`, `"version": 2`, 1) },
		"of no version":     func(data string) string { return strings.Replace(data, `"version": 1`, `"version": 0`, 1) },
		"a list":            func(string) string { return "[]" },
		"with more behind":  func(data string) string { return data + "{}" },
		"with an unknown":   func(data string) string { return strings.Replace(data, `"names"`, `"from": "10.0.0.0/8", "names"`, 1) },
		"without names":     func(data string) string { return strings.Replace(data, `"game*"`, ``, 1) },
		"without a scope":   func(data string) string { return strings.Replace(data, `"scope": "read",`, ``, 1) },
		"of scope none":     func(data string) string { return strings.Replace(data, `"read"`, `"none"`, 1) },
		"with a short hash": func(data string) string { return data[:strings.Index(data, `"hash"`)] + `"hash": "00"}]}` },
		"without a hash":    func(data string) string { return strings.Replace(data, `"hash"`, `"x"`, 1) },
		"with a path as id": func(data string) string { return strings.Replace(data, `"id": "`, `"id": "../`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			core, logged := observer.New(zap.InfoLevel)
			tokens, err := OpenTokens(dir, filepath.Join(dir, "admin-token"), zap.New(core))
			if err != nil {
				t.Fatal(err)
			}
			token, secret := create(t, dir, Read, time.Time{}, "game*")
			grant := tokens.find(secret)
			whole, err := os.ReadFile(tokensPath(dir))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tokensPath(dir), []byte(spoil(string(whole))), 0o600); err != nil {
				t.Fatal(err)
			}
			if tokens.find(secret) != nil || grant.Ended() == nil {
				t.Error("the token is good")
			}
			if n := logged.Len(); n != 1 || !strings.Contains(fmt.Sprint(logged.All()[0].ContextMap()), "tokens.json") {
				t.Errorf("%d lines are logged: %v", n, logged.All())
			}
			for what, err := range map[string]error{
				"list":   func() error { _, err := ListTokens(dir); return err }(),
				"create": func() error { _, _, err := CreateToken(dir, Read, Names{"*"}, time.Time{}); return err }(),
				"revoke": RevokeToken(dir, token.ID),
			} {
				if err == nil || !strings.Contains(err.Error(), tokensPath(dir)) {
					t.Errorf("%s: %v", what, err)
				}
			}
			admin, err := os.ReadFile(filepath.Join(dir, "admin-token"))
			if err != nil || tokens.find(strings.TrimSpace(string(admin))) == nil {
				t.Errorf("the admin is kept out, %v", err)
			}
			if err := os.WriteFile(tokensPath(dir), whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if tokens.find(secret) == nil {
				t.Error("mended, it is still not taken")
			}
			reopened, err := OpenTokens(dir, filepath.Join(dir, "admin-token"), zap.NewNop())
			if err != nil || reopened.find(secret) == nil {
				t.Errorf("it is not found at the next start: %v", err)
			}
		})
	}
}

// TestWhatAWriteLeftIsRemovedUnlessACommandWrites leaves what a kill does between
// the making of a file and its renaming.
func TestWhatAWriteLeftIsRemovedUnlessACommandWrites(t *testing.T) {
	_, dir := newTokens(t)
	_, secret := create(t, dir, Read, time.Time{}, "*")
	left := filepath.Join(dir, ".new-12345")
	if err := os.WriteFile(left, []byte("half of"), 0o600); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := OpenTokens(dir, filepath.Join(dir, "admin-token"), zaptest.NewLogger(t))
	if err != nil || tokens.find(secret) == nil {
		t.Fatalf("after a start the token is not taken: %v", err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("a file that a command may be writing is gone: %v", err)
	}
	unlock()
	if _, err = OpenTokens(dir, filepath.Join(dir, "admin-token"), zaptest.NewLogger(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestConcurrentCommandsLoseNoToken(t *testing.T) {
	tokens, dir := newTokens(t)
	const each = 20
	var commands sync.WaitGroup
	secrets := make(chan string, 2*each)
	for range each {
		commands.Go(func() {
			_, kept, err := CreateToken(dir, Read, Names{"*"}, time.Time{})
			token, _, err2 := CreateToken(dir, Read, Names{"*"}, time.Time{})
			if err := errors.Join(err, err2, RevokeToken(dir, token.ID)); err != nil {
				t.Error(err)
			}
			secrets <- kept
		})
	}
	commands.Wait()
	close(secrets)
	for secret := range secrets {
		if tokens.find(secret) == nil {
			t.Error("a token is lost")
		}
	}
	if list, err := ListTokens(dir); err != nil || len(list) != each {
		t.Errorf("%d tokens, %v", len(list), err)
	}
}

func TestNoFileHoldsASecretButTheAdmins(t *testing.T) {
	tokens, dir := newTokens(t)
	token, secret := create(t, dir, Read, time.Time{}, "*")
	if list, _ := ListTokens(dir); !list[0].Used.IsZero() {
		t.Errorf("it was used at %s", list[0].Used)
	}
	tokens.find(secret)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) {
			t.Errorf("%s holds it", path)
		}
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, %v", path, info.Mode(), err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := ListTokens(dir)
	if err != nil || len(list) != 1 || time.Since(list[0].Used) > time.Minute {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := RevokeToken(dir, token.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(useDir(dir)); err != nil || len(left) != 0 {
		t.Errorf("of a revoked token there is left: %v, %v", left, err)
	}
}

func TestCommandsSayThatThereIsNoStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, err := ListTokens(dir)
	_, _, err2 := CreateToken(dir, Read, Names{"*"}, time.Time{})
	for _, err := range []error{err, err2, RevokeToken(dir, "x")} {
		if !errors.Is(err, ErrNoState) || !strings.Contains(err.Error(), dir) {
			t.Errorf("the error is %v", err)
		}
	}
}

// What was never checked before the upgrade is the most called of all: it must
// not panic, and must let nobody in, whatever comes.
func FuzzNoHeaderLetsAnybodyInWithoutASecret(f *testing.F) {
	dir := f.TempDir()
	tokens, err := OpenTokens(dir, filepath.Join(dir, "admin-token"), zap.NewNop())
	if err != nil {
		f.Fatal(err)
	}
	guard := &Guard{Tokens: tokens}
	f.Add("localhost", "http://localhost:1", "Bearer x", "jsonrpc, bearer.eA")
	f.Add("[::1", "http://[::1", "Bearer", "bearer.")
	f.Add("", "null", "bearer  \t", ",,bearer.====")
	f.Fuzz(func(t *testing.T, host, origin, authorization, protocol string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		r.Header = http.Header{"Origin": {origin}, "Authorization": {authorization}, "Sec-Websocket-Protocol": {protocol}}
		if grant, refusal := guard.Check(r); grant != nil || refusal == nil {
			t.Errorf("it is let in as %s", grant.ID)
		}
	})
}

func FuzzWhateverIsInTheFileOfTokensNobodyPanics(f *testing.F) {
	f.Add([]byte(`{"version":1,"tokens":[{"id":"0123456789ab","scope":"read","names":["*"],"created":"2026-01-02T03:04:05Z","hash":"` + strings.Repeat("a1", 32) + `"}]}`))
	f.Add([]byte(`{"version":1,"tokens":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseTokens(data)
		for _, e := range entries {
			if err != nil || e.Scope == None || e.Hash == (hash{}) || len(e.Names) == 0 {
				t.Errorf("%+v, %v", e, err)
			}
		}
	})
}
