package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// A family is for those who may touch what it is a family of, whatever its numbers
// match.
func TestATokenTouchesTheReplicasOfWhatItIsForAndNoOthers(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	w.do("build", []any{"dgame", repo(t, "dapp", `CMD ["serve"]`).URL}, nil)
	w.do("create", map[string]any{"image": "dgame", "name": "dweb", "environment": map[string]string{"SECRET": "hunter2"}, "replicas": 2}, nil)
	t.Cleanup(func() {
		w := d.dial()
		w.do("remove", []any{"dweb"}, nil)
		w.do("removeImage", []any{"dgame"}, nil)
		w.ws.Close()
	})

	_, secret := d.makeToken(access.Deploy, "dweb", "dgame")
	own := d.dialAs(secret)
	var c api.Container
	if own.do("dweb/scale", []any{3}, &c); c.Replicas != 3 {
		t.Errorf("scale gave %+v", c)
	}
	if names := namesFor(own); !slices.Equal(names, []string{"dweb", "dweb-2", "dweb-3"}) {
		t.Errorf("its own are %v", names)
	}
	var doc api.Inspect
	if own.do("dweb-3/inspect", nil, &doc); doc.ReplicaOf != "dweb" || len(doc.Pool) != 3 || len(doc.ImageDetails.Containers) != 3 {
		t.Errorf("inspect gave %+v", doc)
	}
	for _, name := range []string{"dweb-3", "dweb-4"} { // a name is not its own
		own.fails(api.CodeForbidden, "create", map[string]any{"image": "dgame", "name": name})
	}

	_, secret = d.makeToken(access.Admin, "dweb-*", "dgame")
	other := d.dialAs(secret)
	if names := namesFor(other); len(names) != 0 {
		t.Errorf("another sees %v", names)
	}
	for _, m := range allMethods() {
		if m.ofContainer() {
			method := strings.Replace(m.name, "NAME", "dweb-2", 1)
			other.fails(api.CodeForbidden, method, attempts(t, m, "dgame")[0].params)
		}
	}
	other.fails(api.CodeForbidden, "remove", []any{"dweb-2"})
	other.fails(api.CodeForbidden, "create", map[string]any{"image": "dgame", "name": "dweb-2"})
	var image api.Image
	other.do("create", map[string]any{"image": "dgame", "name": "dweb-9"}, nil)
	if other.do("dweb-9/image", nil, &image); !slices.Equal(image.Containers, []string{"dweb-9"}) {
		t.Errorf("it is told of %v", image.Containers)
	}
	other.do("remove", []any{"dweb-9"}, nil)
}

// namesFor gives the names of the containers that a caller is told of.
func namesFor(w *wire) (names []string) {
	w.t.Helper()
	var all []api.Container
	w.do("list", nil, &all)
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names
}
