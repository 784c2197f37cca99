package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// varies are the members whose values differ each time.
var varies = strings.Fields("id build url commit size seconds seq cursor created started finished time percent usage received sent read written pids address gateway subnet engine text domain")

// TestTheExamplesAreTrue acts the examples out, in order, on a real engine.
func TestTheExamplesAreTrue(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	r := repo(t, "shop", `CMD ["serve"]`, "EXPOSE 8080")
	doc := describe(allMethods(), nil, access.Admin, "")
	build := ""
	for _, name := range exampleOrder {
		for _, e := range examples[name] {
			params := map[string]any{}
			for _, p := range e.Params {
				params[p.Name] = p.Value
			}
			if _, ok := params["url"]; ok {
				params["url"] = r.URL
			}
			if _, ok := params["id"]; ok {
				params["id"] = build
			}
			f := w.answer(w.call(strings.Replace(name, "NAME/", "web/", 1), params), nil)
			if f.Error != nil {
				t.Fatalf("%s: %v", name, f.Error)
			}
			var got any
			if err := json.Unmarshal(f.Result, &got); err != nil {
				t.Fatal(err)
			}
			if name == "create" { // what comes is true once it serves
				visit(t, strings.TrimPrefix(d.Ingress, "http://"), "http://web.localhost/id", nil)
			}
			if name == "build" {
				build = got.(map[string]any)["build"].(string)
			}
			i := slices.IndexFunc(doc.Methods, func(m document) bool { return m.Name == name })
			validate(t, doc, name, doc.Methods[i].Result.Schema, got)
			sameShape(t, name, shown(t, e.Result.Value), got)
		}
	}
}

// shown gives a value as it is in the document.
func shown(t *testing.T, value any) (v any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// sameShape wants got to be as want, but for the values that vary.
func sameShape(t *testing.T, path string, want, got any) {
	t.Helper()
	member := path[strings.LastIndexByte(path, '.')+1:]
	if slices.Contains([]string{"engine", "environment", "command"}, member) {
		return
	}
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		if w, g := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(w, g) {
			t.Errorf("%s has the members %v, the example %v", path, g, w)
		}
		for key, value := range want {
			sameShape(t, path+"."+key, value, got[key])
		}
	case []any:
		got, _ := got.([]any)
		if len(got) != len(want) {
			t.Errorf("%s has %d elements, the example %d", path, len(got), len(want))
			return
		}
		for i := range want {
			sameShape(t, path, want[i], got[i])
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) || !slices.Contains(varies, member) && want != got {
			t.Errorf("%s is %v, in the example %v", path, got, want)
		}
	}
}

func TestDiscoverDescribesTheContainersThatThereAre(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	r := repo(t, "dapp")
	w.do("build", []any{"dapp", r.URL}, nil)
	w.do("create", []any{"dapp", "dweb-1"}, nil)
	var doc struct{ Methods []struct{ Name string } }
	w.do("rpc.discover", nil, &doc)
	var names []string
	for _, m := range doc.Methods {
		names = append(names, m.Name)
	}
	if !slices.Contains(names, "dweb-1/logs") || slices.Contains(names, "NAME/logs") {
		t.Errorf("methods %v", names)
	}
	w.do("remove", []any{"dweb-1"}, nil)
	w.do("removeImage", []any{"dapp"}, nil)
	w.fails(api.CodeMethodNotFound, "dweb-1/logs", nil)
}
