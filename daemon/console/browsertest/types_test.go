package browsertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The compiler of TypeScript says whether the declarations fit a program that
// uses them, and a program made of what docs/openrpc.json says: all examples,
// and the names of all members.
func TestTheTypesAreThoseOfTheProtocol(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for from, to := range map[string]string{"../dockwire.d.ts": "dockwire.d.ts", "testdata/use.ts": "use.ts"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, to), data)
	}
	write(t, filepath.Join(dir, "protocol.ts"), []byte(protocol(t)))
	cmd := exec.CommandContext(t.Context(), "tsc", "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom",
		"--module", "es2022", "--moduleResolution", "node", "use.ts", "protocol.ts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("tsc, which make tools installs: %v\n%s", err, out)
	}
}

// The module gives a name to each positional parameter of what it takes up.
func TestTheModuleKnowsTheOrderOfParameters(t *testing.T) {
	source, err := os.ReadFile("../dockwire.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range document(t).Methods {
		kind := strings.TrimPrefix(m.Name, "NAME/")
		if kind != "build" && kind != "logs" {
			continue
		}
		if order := kind + ": \"" + strings.Join(m.params(), " ") + "\".split"; !strings.Contains(string(source), order) {
			t.Errorf("dockwire.js lacks %s", order)
		}
	}
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

type openRPC struct {
	Methods    []method
	Components struct{ Schemas map[string]schema }
}

type method struct {
	Name      string
	Direction string `json:"x-direction"`
	Params    []struct{ Name string }
	Examples  []struct {
		Params []struct {
			Name  string
			Value json.RawMessage
		}
		Result struct{ Value json.RawMessage }
	}
}

func (m method) params() (names []string) {
	for _, param := range m.Params {
		names = append(names, param.Name)
	}
	return names
}

type schema struct {
	Properties map[string]schema
}

func document(t *testing.T) (doc openRPC) {
	t.Helper()
	data, err := os.ReadFile(checkout + "/docs/openrpc.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// protocol makes the program. Its errors name the method or the type.
func protocol(t *testing.T) string {
	t.Helper()
	doc := document(t)
	var p strings.Builder
	p.WriteString("import type * as dw from \"./dockwire.js\";\n" +
		"type Named<M extends dw.MethodName> = Exclude<dw.Params<M>, readonly unknown[]>;\n" +
		"type Exactly<T, K extends PropertyKey> = [keyof T, K] extends [K, keyof T] ? true : { missing: Exclude<K, keyof T>; unknown: Exclude<keyof T, K> };\n")
	for _, m := range doc.Methods {
		if m.Direction == "" {
			m.program(&p)
			continue
		}
		event, _, _ := strings.Cut(m.Name, "/")
		exactly(&p, "dw."+strings.ToUpper(event[:1])+event[1:]+"Output", eventMembers(event, m.params()))
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		members(&p, "dw."+name, doc.Components.Schemas[name])
	}
	return p.String()
}

// program checks the parameters of a method and its examples.
func (m method) program(p *strings.Builder) {
	fmt.Fprintf(p, "%q satisfies dw.MethodName;\n", m.Name)
	if len(m.Params) > 0 {
		exactly(p, fmt.Sprintf("Named<%q>", m.Name), m.params())
	}
	for _, example := range m.Examples {
		given := map[string]json.RawMessage{}
		for _, param := range example.Params {
			given[param.Name] = param.Value
		}
		fmt.Fprintf(p, "(%s) satisfies Named<%q>;\n(%s) satisfies dw.Result<%q>;\n", encoded(given), m.Name, example.Result.Value, m.Name)
	}
}

// eventMembers are those of an event as the loop gets it: without the id, and
// in a log without what only a build has.
func eventMembers(event string, params []string) []string {
	return slices.DeleteFunc(params, func(name string) bool { return name == "id" || name == "build" && event == "logs" })
}

// members checks a type and those of its members that are objects.
func members(p *strings.Builder, name string, s schema) {
	exactly(p, name, slices.Sorted(maps.Keys(s.Properties)))
	for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
		if len(s.Properties[member].Properties) > 0 {
			members(p, fmt.Sprintf("NonNullable<%s[%q]>", name, member), s.Properties[member])
		}
	}
}

func exactly(p *strings.Builder, name string, members []string) {
	for i, member := range members {
		members[i] = encoded(member)
	}
	fmt.Fprintf(p, "true satisfies Exactly<NonNullable<%s>, %s>;\n", name, strings.Join(members, " | "))
}

func encoded(value any) string {
	data, _ := json.Marshal(value)
	return string(data)
}
