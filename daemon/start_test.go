package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/engine/enginetest"
)

func TestADaemonServesThreeHundredContainersAtOnce(t *testing.T) {
	image := enginetest.Probe(t, nil)
	instance := "test-" + random()
	names, disperse := enginetest.Crowd(t, instance, image, 300, 3)
	defer disperse()
	began := time.Now()
	d := runDaemon(t, func(cfg *Config) { cfg.Instance = instance })
	resp, body := visit(t, strings.TrimPrefix(d.Ingress, "http://"), "http://"+names[1]+".localhost/id", nil)
	if resp.StatusCode != 200 {
		t.Fatalf("the first request is answered %s %s", resp.Status, body)
	}
	served := time.Since(began)
	w := d.dial()
	var all []api.Container
	w.do("list", nil, &all)
	t.Logf("the first request was answered after %v, the first list after %v", served, time.Since(began))
	if len(all) != len(names) {
		t.Fatalf("%d containers are listed, want %d", len(all), len(names))
	}
	for i, c := range all {
		if c.Name != names[i] || c.Created.IsZero() || c.Started.IsZero() != (i >= 3) {
			t.Errorf("container %d is %+v", i, c)
		}
	}
	_, secret := d.makeToken(access.Read, "crowd-00*")
	var some []api.Container
	d.dialAs(secret).do("list", nil, &some)
	if len(some) != 10 || some[9] != all[9] {
		t.Errorf("who may see ten sees %+v", some)
	}
}
