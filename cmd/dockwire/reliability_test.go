package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEachPromiseNamesTestsThatThereAre compares docs/reliability.md with the
// tests: each that it names exists, and it names all of those that inject faults.
func TestEachPromiseNamesTestsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	all := testsBelow(t, "../..")
	for _, name := range named {
		if !slices.Contains(all, name[1]) {
			t.Errorf("there is no test %s", name[1])
		}
	}
	for _, test := range testsBelow(t, "e2e/torture") {
		if !strings.Contains(string(text), "`"+test+"`") {
			t.Errorf("%s is not named", test)
		}
	}
}

func testsBelow(t *testing.T, root string) (names []string) {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(t \*testing\.T`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(code, -1) {
			names = append(names, string(found[1]))
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("%d tests are below %s: %v", len(names), root, err)
	}
	return names
}
