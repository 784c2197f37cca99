package torture

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// misbehaviour is what an engine, or what is between, does to some requests.
var misbehaviour = []faults.Rule{
	{Share: 0.03, Fail: true},
	{Share: 0.03, Lose: true},
	{Share: 0.03, Cut: true},
	{Share: 0.03, Truncate: 20},
	{Share: 0.10, Delay: 300 * time.Millisecond},
}

// TestNothingIsLeftOfAnEngineThatMisbehaves has clients do all there is while
// the engine's answers fail, break off, get lost and come late. Each call is
// answered, and afterwards every name is absent or usable.
func TestNothingIsLeftOfAnEngineThatMisbehaves(t *testing.T) {
	s := newSlaughter(t)
	var mu sync.Mutex
	answers := map[api.Code]int{}
	s.engine.proxy.Inject(*seed, misbehaviour...)
	s.crowd(scale().misbehaving, newChances(), func(c *client.Client, _ int, chance *rand.Rand) error {
		err := mutate(c, nameOf(chance.IntN(names)), chance.IntN(4))
		var answered *api.Error
		if err != nil && !errors.As(err, &answered) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if answered != nil {
			answers[answered.Code]++
		} else {
			answers[0]++
		}
		return nil
	})
	s.engine.proxy.Inject(0)
	s.nothingHalfMade()
	t.Logf("%d calls, by the code of their answer: %v; nothing was half-made %v after", scale().misbehaving, answers, s.slowest)
	for n := range names {
		s.name = nameOf(n)
		s.usable()
		s.removeIt()
	}
	s.nothingLeft()
}

// mutate makes a call that changes the container, on a daemon that answers each
// within the time that it gives the engine.
func mutate(c *client.Client, name string, way int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	switch way {
	case 0, 1:
		p := (&slaughter{name: name}).params()
		p.Volumes = nil
		_, err = c.Create(ctx, p)
	case 2:
		_, err = c.Remove(ctx, api.RemoveParams{Name: name, Volumes: true})
	case 3:
		_, err = c.Stop(ctx, name, api.StopParams{Timeout: ptr(5.0)})
	}
	return err
}
