package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/daemon/access"
)

func TestTokenPrintsTheTokenOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := dockwire(t, "token", "--state-dir", dir)
	if code != exitNotFound || stdout != "" || !strings.Contains(stderr, dir) {
		t.Errorf("without a token: exit %d, %q, %q", code, stdout, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "admin-token"), []byte("dw_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKWIRE_STATE_DIR", dir)
	if code, stdout, _ := dockwire(t, "token"); code != 0 || stdout != "dw_secret\n" {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestATokenIsMadeListedAndRevoked(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKWIRE_STATE_DIR", dir)
	code, secret, note := dockwire(t, "token", "create", "--scope", "deploy", "--names", "game*", "--names", "shop", "--expires", "720h")
	if code != 0 || !strings.HasPrefix(secret, "dw_") || strings.Count(secret, "\n") != 1 {
		t.Fatalf("exit %d, %q, %s", code, secret, note)
	}
	secret = strings.TrimSpace(secret)
	if strings.Contains(note, secret) || !strings.Contains(note, "scope deploy for game*, shop, expires ") {
		t.Errorf("it notes %q", note)
	}
	code, text, _ := dockwire(t, "token", "create", "--scope", "read", "--json")
	var made struct {
		ID, Token, Scope string
		Names            []string
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil || code != 0 || made.Scope != "read" || made.Names[0] != "*" {
		t.Fatalf("exit %d, %s, %v", code, text, err)
	}
	_, table, _ := dockwire(t, "token", "list")
	_, text, _ = dockwire(t, "token", "list", "--json")
	var list []access.Token
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 2 || list[1].ID != made.ID {
		t.Fatalf("%s, %v", text, err)
	}
	if left := time.Until(list[0].Expires); left < 719*time.Hour || left > 720*time.Hour {
		t.Errorf("it expires at %s", list[0].Expires)
	}
	for _, shown := range []string{table, text} {
		if strings.Contains(shown, secret) || strings.Contains(shown, made.Token) || strings.Contains(shown, "hash") {
			t.Errorf("the list shows secrets: %s", shown)
		}
	}
	if !strings.Contains(table, "game*, shop") || strings.Count(table, "\n") != 3 {
		t.Errorf("the list is\n%s", table)
	}
	if code, text, _ := dockwire(t, "token", "revoke", made.ID); code != 0 || text != made.ID+" revoked\n" {
		t.Errorf("exit %d, %s", code, text)
	}
	if list, err := access.ListTokens(dir); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestWrongTokensAreRefusedWithASentence(t *testing.T) {
	t.Setenv("DOCKWIRE_STATE_DIR", t.TempDir())
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"token create":                            {exitUsage, "none of read, deploy and admin"},
		"token create --scope none":               {exitUsage, "none of read, deploy and admin"},
		"token create --scope read --names [":     {exitUsage, `the pattern "[" is not one`},
		"token create --scope read --expires -1h": {exitUsage, "is over already"},
		"token revoke 0123456789ab":               {exitNotFound, "there is no token with that id"},
		"token revoke":                            {exitUsage, "accepts 1 arg"},
		"token list --state-dir none":             {exitNotFound, "there is no state directory: none"},
		"token create --scope read --state-dir x": {exitNotFound, "the daemon makes it when it is first started"},
	} {
		code, stdout, stderr := dockwire(t, strings.Fields(args)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.says) {
			t.Errorf("%s: exit %d, %q, %s", args, code, stdout, stderr)
		}
	}
}
