package ingress

import (
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// The replicas of a swarm have one name and one host, and are told of together.
func TestReplicasShareAHostAndAreKnownOnceAllAreTold(t *testing.T) {
	f := newFront(t, Options{})
	apps := []*app{newApp(t, "web", nil), newApp(t, "web", nil)}
	f.Together(func() {
		for i, a := range apps {
			r := route("web", "", a.Listener.Addr().String())
			r.ID, r.Replica = r.ID+string(rune('1'+i)), i+1
			f.Route(r)
		}
		if f.Knows("web.localhost") {
			t.Error("the host is known before all replicas are")
		}
	})
	f.until("both serve", func() bool {
		pool := f.Pool("web.localhost")
		return len(pool) == 2 && pool[0].State == api.PoolServing && pool[1].State == api.PoolServing
	})
	if pool := f.Pool("web.localhost"); pool[0].Replica != 1 || pool[1].Replica != 2 {
		t.Errorf("the pool is %+v", pool)
	}
	for range 20 {
		f.want("http://web.localhost/", 200, "")
	}
	for i, a := range apps {
		if len(a.requests()) == 0 {
			t.Errorf("replica %d got no request", i+1)
		}
	}
}
