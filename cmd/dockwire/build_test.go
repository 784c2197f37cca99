package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func TestACredentialIsReadFromAFileOrStandardInput(t *testing.T) {
	for content, want := range map[string]*api.Credential{
		"user:pass:word\n":   {Username: "user", Password: "pass:word"},
		"  token  \nmore\n":  {Password: "token"},
		":token":             {Password: "token"},
		"user:\n":            nil,
		"\n":                 nil,
		"user:pass\r\nmore:": {Username: "user", Password: "pass"},
	} {
		file := filepath.Join(t.TempDir(), "login")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, source := range []string{file, "-"} {
			got, err := (&app{stdin: strings.NewReader(content)}).credential(source)
			if (want == nil) != (err != nil) || want != nil && *got != *want {
				t.Errorf("%q became %v, %v", content, got != nil, err)
			}
			if err != nil && strings.Contains(err.Error(), "user") {
				t.Errorf("the error shows it: %v", err)
			}
		}
	}
	if got, err := (&app{}).credential(""); got != nil || err != nil {
		t.Errorf("without the flag it is %v, %v", got, err)
	}
	if _, err := (&app{}).credential("/nowhere"); err == nil {
		t.Error("a file that is not there was read")
	}
}
