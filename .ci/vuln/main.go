// Command vuln reads what govulncheck -format json says and fails when this
// project calls vulnerable code, but for the two vulnerabilities that are waived.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// waived are reported for any import of github.com/docker/docker. Both are in
// the engine's server code, of which nothing is linked here, and that module
// path has no version without them.
var waived = []string{"GO-2026-4887", "GO-2026-4883"}

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

func check(report io.Reader) error {
	called := map[string]string{}
	messages := json.NewDecoder(report)
	for read := 0; ; read++ {
		var message struct {
			Finding struct {
				OSV   string
				Trace []struct{ Module, Version, Package, Function string }
			}
		}
		switch err := messages.Decode(&message); {
		case errors.Is(err, io.EOF) && read > 0:
			return verdict(called)
		case err != nil:
			return fmt.Errorf("govulncheck gave no report: %w", err)
		}
		finding := message.Finding
		if len(finding.Trace) > 0 && finding.Trace[0].Function != "" && !slices.Contains(waived, finding.OSV) {
			at := finding.Trace[0]
			called[finding.OSV] = fmt.Sprintf("%s@%s, %s.%s", at.Module, at.Version, at.Package, at.Function)
		}
	}
}

func verdict(called map[string]string) error {
	if len(called) == 0 {
		fmt.Println("no known vulnerability is called, but for what is waived:", waived)
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(called)) {
		fmt.Printf("%s is called: %s\n", id, called[id])
	}
	return fmt.Errorf("%d vulnerabilities are called", len(called))
}
