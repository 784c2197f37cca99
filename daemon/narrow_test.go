package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// naming says of every parameter of every method whether it names something
// that a token's patterns are about, and how it does.
var naming = map[string]func(name string) any{
	"name":    func(name string) any { return name },
	"image":   func(name string) any { return name },
	"network": func(name string) any { return name },
	"domain":  func(name string) any { return name + ".example.com" },
	"volumes": func(name string) any { return []string{name + ":/data"} },
}

// notNaming are the parameters that name nothing. An id is of a build.
var notNaming = strings.Fields(`url ref dir dockerfile args target credential after environment command port
	memory cpus pids restart profile init start id path timeout interval tail since until stream grep replicas`)

// harmless are parameters that methods cannot do without.
var harmless = map[string]any{"name": "dgame-none", "image": "dgame-none", "url": "http://127.0.0.1:1/none", "id": "000000000000"}

func paramsOf(t *testing.T, m *method) (names []string) {
	t.Helper()
	for i := range m.params.NumField() {
		field := m.params.Field(i)
		if field.Type.Kind() == reflect.Bool { // volumes of remove
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, ok := naming[name]; ok == slices.Contains(notNaming, name) {
			t.Fatalf("%s has the parameter %q: say here whether it names something", m.name, name)
		}
		names = append(names, name)
	}
	return names
}

// attempt is a call about a name.
type attempt struct {
	method string
	params map[string]any
}

// attempts gives every way in which a method can be asked about a name.
func attempts(t *testing.T, m *method, name string) (all []attempt) {
	params := map[string]any{}
	for _, p := range paramsOf(t, m) {
		if value, ok := harmless[p]; ok {
			params[p] = value
		}
	}
	if m.ofContainer() {
		all = append(all, attempt{strings.Replace(m.name, "NAME", name, 1), params})
	}
	for _, p := range paramsOf(t, m) {
		if value, ok := naming[p]; ok {
			asked := maps.Clone(params)
			asked[p] = value(name)
			all = append(all, attempt{strings.Replace(m.name, "NAME", "dgame-none", 1), asked})
		}
	}
	return all
}

func TestATokenForSomeNames(t *testing.T) {
	d := runDaemon(t)
	makeHidden(t, d)
	t.Run("touches no others", d.touchesNoOthers)
	t.Run("sees no others", d.seesNoOthers)
	t.Run("follows no others", d.followsNoOthers)
}

// makeHidden makes things called dgame… and dhidden….
func makeHidden(t *testing.T, d *testDaemon) {
	t.Helper()
	w := d.dial()
	r := repo(t, "dapp", `CMD ["serve"]`)
	for _, image := range []string{"dgame", "dhidden"} {
		w.do("build", []any{image, r.URL}, nil)
	}
	for name, params := range map[string]map[string]any{
		"dhidden1": {"image": "dhidden", "network": "dhiddennet", "domain": "dgame.example.com", "volumes": []string{"dhiddendata:/data"}},
		"dhidden2": {"image": "dgame"},
		"dgame1":   {"image": "dgame", "volumes": []string{"dhiddendata:/data"}},
	} {
		params["name"] = name
		w.do("create", params, nil)
	}
	t.Cleanup(func() {
		w := d.dial()
		for _, name := range []string{"dgame1", "dhidden1", "dhidden2"} {
			w.do("remove", map[string]any{"name": name, "volumes": true}, nil)
		}
		w.do("removeImage", []any{"dgame"}, nil)
		w.do("removeImage", []any{"dhidden"}, nil)
		w.ws.Close()
	})
}

// Whatever a token is not for, it is not told whether there is such a thing: an
// existing name and one that does not exist get the same answer.
func (d *testDaemon) touchesNoOthers(t *testing.T) {
	_, secret := d.makeToken(access.Admin, "dgame*")
	w := d.dialAs(secret)
	for _, m := range allMethods() {
		there, not := attempts(t, m, "dhidden1"), attempts(t, m, "absent1")
		for i := range there {
			a := w.fails(api.CodeForbidden, there[i].method, there[i].params)
			b := w.fails(api.CodeForbidden, not[i].method, not[i].params)
			if a.Data.Method != there[i].method || a.Data.Scope != m.scope.String() || !strings.Contains(a.Message, "dgame*") {
				t.Errorf("%s: %v, %+v", there[i].method, a, a.Data)
			}
			if strings.ReplaceAll(shownError(t, a), "dhidden1", "absent1") != shownError(t, b) {
				t.Errorf("%s tells by its answer whether it is there: %s, %s", m.name, shownError(t, a), shownError(t, b))
			}
		}
		if len(there) == 0 {
			if !slices.Contains(strings.Fields("builds cancelBuild images list rpc.discover"), m.name) {
				t.Errorf("%s names nothing: show in these tests that it tells nothing of others", m.name)
			}
		}
	}
}

func shownError(t *testing.T, e *api.Error) string {
	t.Helper()
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (d *testDaemon) seesNoOthers(t *testing.T) {
	_, secret := d.makeToken(access.Admin, "dgame*")
	admin, w := d.dial(), d.dialAs(secret)
	var builds []api.BuildInfo
	admin.do("builds", nil, &builds)
	other := builds[slices.IndexFunc(builds, func(b api.BuildInfo) bool { return b.Name == "dhidden" })].ID

	for _, method := range []string{"builds", "images", "list", "rpc.discover"} {
		var all, own json.RawMessage
		admin.do(method, nil, &all)
		w.do(method, nil, &own)
		if !strings.Contains(string(all), "dhidden") || !strings.Contains(string(own), "dgame") {
			t.Errorf("%s does not show what there is: %s, %s", method, all, own)
		}
		if strings.Contains(string(own), "dhidden") {
			t.Errorf("%s shows what it must not: %s", method, own)
		}
	}
	unknown := w.fails(api.CodeNotFound, "cancelBuild", []any{"000000000000"})
	anothers := w.fails(api.CodeNotFound, "cancelBuild", []any{other})
	if strings.ReplaceAll(shownError(t, anothers), other, "000000000000") != shownError(t, unknown) {
		t.Errorf("another's build: %s", shownError(t, anothers))
	}
	for method, params := range map[string]any{ // the holders are hidden
		"create":      map[string]any{"image": "dgame", "name": "dgame2", "domain": "dgame.example.com"},
		"removeImage": []any{"dgame"},
	} {
		if err := w.fails(api.CodeConflict, method, params); strings.Contains(shownError(t, err), "dhidden") {
			t.Errorf("%s tells of the holder: %s", method, shownError(t, err))
		}
	}
	for _, method := range []string{"dgame1/image", "dgame1/inspect"} {
		var answer struct {
			Containers   []string
			ImageDetails api.Image
		}
		w.do(method, nil, &answer)
		if got := slices.Concat(answer.Containers, answer.ImageDetails.Containers); !reflect.DeepEqual(got, []string{"dgame1"}) {
			t.Errorf("%s shows the containers %q", method, got)
		}
	}
	err := w.fails(api.CodeForbidden, "remove", map[string]any{"name": "dgame1", "volumes": true})
	if !strings.Contains(err.Message, "volume") {
		t.Errorf("the volume of others: %v", err)
	}
	w.fails(api.CodeForbidden, "build", map[string]any{"name": "dhidden", "url": "http://127.0.0.1:1/x", "after": other + "-1"})
	w.fails(api.CodeNotFound, "build", map[string]any{"name": "dgame", "url": "http://127.0.0.1:1/x", "after": other + "-1"})
}

func (d *testDaemon) followsNoOthers(t *testing.T) {
	_, secret := d.makeToken(access.Read, "dgame*")
	admin, w := d.dial(), d.dialAs(secret)
	id := w.call("list", []any{true})
	var seq int64
	for state := ""; state != api.StateExited; {
		f := w.next()
		var out api.ListOutput
		if err := json.Unmarshal(f.Params, &out); err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		if len(out.Containers) == 0 && seq > 0 {
			t.Error("an empty event tells that something happened")
		}
		seq += int64(len(out.Containers))
		for _, c := range out.Containers {
			if c.Name != "dgame1" {
				t.Errorf("it is told of %s", c.Name)
			}
			state = c.State
		}
		if seq == 1 && state == api.StateRunning {
			admin.do("dhidden1/stop", []any{0}, nil)
			admin.do("dgame1/stop", []any{0}, nil)
		}
		if out.Seq != seq {
			t.Errorf("seq %d after %d containers", out.Seq, seq)
		}
	}
	w.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[%d]}`, id))
	w.answer(id, nil)
}

func TestEachMethodAsksForItsScope(t *testing.T) {
	d := runDaemon(t)
	for _, scope := range []access.Scope{access.Read, access.Deploy} {
		_, secret := d.makeToken(scope, "*")
		w := d.dialAs(secret)
		for _, m := range allMethods() {
			f := w.answer(w.call(strings.Replace(m.name, "NAME", "dgame-none", 1), map[string]any{"none": 1}), nil)
			if allowed := !errors.Is(f.Error, api.CodeForbidden); allowed != scope.Allows(m.scope) {
				t.Errorf("%s may call %s: %v", scope, m.name, allowed)
			}
		}
	}
}

func TestImagesAreNamedAsTheyAreMatched(t *testing.T) {
	for image, want := range map[string]string{
		"game": "game", "game:0123456": "game", "postgres:16": "postgres", "ghcr.io/x/game:1": "ghcr.io/x/game",
		"game:5000/evil": "game:5000/evil", "game:5000/evil:1": "game:5000/evil", "game@sha256:00": "game", "game:1@sha256:00": "game", "": "",
	} {
		if got := imageName(image); got != want {
			t.Errorf("%s is %s, want %s", image, got, want)
		}
	}
}
