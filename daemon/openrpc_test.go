package daemon

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dockwire/dockwire/daemon/access"
)

var update = flag.Bool("update", false, "write docs/openrpc.json anew")

// metaSchema reads the schema of OpenRPC documents, and the one of JSON
// schemas that it refers to.
func metaSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	read := func(path string) (*jsonschema.Schema, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		// Both call themselves their own meta-schema; they are draft 7.
		data = bytes.ReplaceAll(data, []byte(`"$schema": "https://meta.json-schema.tools/"`), []byte(`"$schema": "http://json-schema.org/draft-07/schema#"`))
		s := new(jsonschema.Schema)
		return s, json.Unmarshal(data, s)
	}
	root, err := read("testdata/openrpc-meta-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := root.Resolve(&jsonschema.ResolveOptions{Loader: func(uri *url.URL) (*jsonschema.Schema, error) {
		if uri.Host != "meta.json-schema.tools" {
			return nil, fmt.Errorf("no such schema here: %s", uri)
		}
		return read("testdata/json-schema-meta-schema.json")
	}})
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func TestTheDocumentIsOpenRPC(t *testing.T) {
	meta := metaSchema(t)
	for _, containers := range [][]string{nil, {"web", "db"}} {
		data, err := json.Marshal(describe(allMethods(), containers, access.Admin, "1.0.0"))
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		if err := meta.Validate(doc); err != nil {
			t.Errorf("with the containers %v: %v", containers, err)
		}
	}
}

// The meta-schema must refuse something, or the test above says nothing.
func TestADocumentThatIsNotOpenRPCIsRefused(t *testing.T) {
	doc := map[string]any{"openrpc": "1.3.2", "info": map[string]any{"title": "x"}, "methods": []any{}}
	if err := metaSchema(t).Validate(doc); err == nil {
		t.Error("a document whose info has no version is valid")
	}
}

func TestTheDocumentInDocsIsTheOneThatIsServed(t *testing.T) {
	const path = "../docs/openrpc.json"
	data, err := json.MarshalIndent(describe(allMethods(), nil, access.Admin, "dev"), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	if *update {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("docs/openrpc.json is not what the method table says (%v): run go test ./daemon -run DocumentInDocs -update", err)
	}
}

func TestADocumentOfManyContainersStaysSmallAndCostsLittle(t *testing.T) {
	table := allMethods()
	for _, scope := range []access.Scope{access.Read, access.Deploy, access.Admin} {
		document := func(n int) []byte {
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("c%d", i)
			}
			data, err := discovery(table, names, scope, "dev")
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		if one, two := len(document(1)), len(document(2)); two-one <= leastDescribed {
			t.Errorf("%s: the methods of a container take %d bytes", scope, two-one)
		}
		for n, named := range map[int]bool{0: false, 1: true, 50: true, 170: false, 1000: false} {
			data := document(n)
			if got := bytes.Contains(data, []byte(`"c0/inspect"`)); len(data) > maxDiscovery || got != named {
				t.Errorf("%s: of %d containers %d bytes tell, by name: %v", scope, n, len(data), got)
			}
		}
		none := testing.AllocsPerRun(1, func() { document(0) })
		if crowd := testing.AllocsPerRun(1, func() { document(1000) }); crowd > 2*none+2000 {
			t.Errorf("%s: %v allocations for a thousand containers, %v for none", scope, crowd, none)
		}
	}
}

func TestEachScopeSeesWhatItMayCall(t *testing.T) {
	table := allMethods()
	for _, scope := range []access.Scope{access.Read, access.Deploy, access.Admin} {
		described := map[string]bool{}
		for _, m := range describe(table, nil, scope, "").Methods {
			described[m.Name] = true
		}
		for name, m := range table {
			if described[name] != scope.Allows(m.scope) {
				t.Errorf("%s: %s is described: %v", scope, name, described[name])
			}
		}
	}
}

func TestTheMethodsOfEachContainerAreDescribed(t *testing.T) {
	var names []string
	for _, m := range describe(allMethods(), []string{"db", "web"}, access.Admin, "").Methods {
		names = append(names, m.Name)
	}
	for _, want := range []string{"db/logs", "web/logs", "web/stop", "build", "logs/output"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.Contains(names, "NAME/logs") {
		t.Error("NAME/logs is there beside the real ones")
	}
}

func TestEveryMethodHasAScopeAndAnExample(t *testing.T) {
	for name, m := range allMethods() {
		if m.scope == access.None {
			t.Errorf("%s has no scope: nobody can call it", name)
		}
		if m.summary == "" || !strings.HasSuffix(m.summary, ".") {
			t.Errorf("%s has no sentence that says what it does", name)
		}
		if len(examples[name]) == 0 && name != "rpc.discover" {
			t.Errorf("%s has no example", name)
		}
	}
	if got, want := len(exampleOrder), len(examples); got != want {
		t.Errorf("%d examples have an order, there are %d", got, want)
	}
	for _, name := range exampleOrder {
		if _, ok := examples[name]; !ok {
			t.Errorf("%s has an order but no example", name)
		}
	}
}

// An example's parameters and result are valid by the schemas beside them.
func TestExamplesMatchTheirSchemas(t *testing.T) {
	doc := describe(allMethods(), nil, access.Admin, "")
	for _, m := range doc.Methods {
		for _, e := range m.Examples {
			validate(t, doc, m.Name+" result", m.Result.Schema, e.Result.Value)
			for _, p := range e.Params {
				i := slices.IndexFunc(m.Params, func(d descriptor) bool { return d.Name == p.Name })
				if i < 0 {
					t.Errorf("%s has no parameter %s", m.Name, p.Name)
					continue
				}
				validate(t, doc, m.Name+" "+p.Name, m.Params[i].Schema, p.Value)
			}
		}
	}
}

// validate holds a value against a schema of the document.
func validate(t *testing.T, doc openRPC, what string, schema *jsonschema.Schema, value any) {
	t.Helper()
	// The references lead into components, so the document is put around it.
	root := schema.CloneSchemas()
	if root.Extra == nil {
		root.Extra = map[string]any{}
	}
	components := map[string]*jsonschema.Schema{}
	maps.Copy(components, doc.Components.Schemas)
	rewriteRefs(root)
	root.Defs = components
	resolved, err := root.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var instance any
	if err := json.Unmarshal(data, &instance); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(instance); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func rewriteRefs(s *jsonschema.Schema) {
	s.Ref = strings.Replace(s.Ref, "#/components/schemas/", "#/$defs/", 1)
	if s.Items != nil {
		rewriteRefs(s.Items)
	}
}
