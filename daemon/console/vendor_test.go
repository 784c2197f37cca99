package console

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// vendored are the files of others, exactly as in their npm packages.
var vendored = map[string]string{
	// lit-html 3.3.3, BSD-3-Clause
	"/vendor/lit-html.js": "b878e7f95dec8a9b6e9b217faca6b6a11bad82ebc44c0caa77419ed83edd81f2",
	// uplot 1.6.32, MIT
	"/vendor/uPlot.esm.js":  "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
	"/vendor/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}

func TestTheVendoredFilesAreTheOnesThatWereLookedAt(t *testing.T) {
	for name, want := range vendored {
		sum := sha256.Sum256(files[name].body)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has the sum %s", name, got)
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "/vendor/") && vendored[name] == "" {
			t.Errorf("%s is not listed", name)
		}
	}
}

func TestTheConsoleMakesNoMarkupOfText(t *testing.T) {
	for name, f := range files {
		if !strings.HasPrefix(name, "/app/") {
			continue
		}
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "unsafe", "eval(", `style="`} {
			if strings.Contains(string(f.body), word) {
				t.Errorf("%s has %s", name, word)
			}
		}
	}
}
