package daemon_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/dockwire/dockwire/"

// mayImport says which packages of ours those at or below a path may import,
// besides what lies at or below that path itself.
var mayImport = map[string][]string{
	"cmd":        {"daemon", "daemon/access", "client", "client/api"},
	"daemon":     {"rpc", "engine", "client/api"},
	"client":     {"rpc", "client/api"},
	"client/api": {},
	"engine":     {"client/api"},
	"rpc":        {},
	"examples":   {},
	"deploy":     {},
}

// onlyIn says where packages of others may be imported, tests included.
var onlyIn = map[string]string{
	"github.com/docker/docker":        "engine",
	"github.com/moby":                 "engine",
	"github.com/sourcegraph/jsonrpc2": "rpc",
}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		layer := layerOf(path)
		if layer == "" {
			t.Errorf("%s is in no layer of the layout", path)
			continue
		}
		for _, imported := range p.Imports {
			ours, ok := strings.CutPrefix(imported, module)
			if ok && !within(ours, layer) && !slices.Contains(mayImport[layer], ours) {
				t.Errorf("%s may not import %s", path, ours)
			}
		}
	}
}

func TestThirdPartyPackagesStayInTheirLayer(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for theirs, layer := range onlyIn {
				if within(imported, theirs) && !within(path, layer) {
					t.Errorf("%s may not import %s: only %s may", path, imported, layer)
				}
			}
		}
	}
}

// layerOf gives the longest path of mayImport that path lies in.
func layerOf(path string) string {
	longest := ""
	for layer := range mayImport {
		if within(path, layer) && len(layer) > len(longest) {
			longest = layer
		}
	}
	return longest
}

// within says whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
