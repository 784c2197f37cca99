package daemon

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func isReady(t *ticket) bool {
	select {
	case <-t.ready:
		return true
	default:
		return false
	}
}

func TestTicketsOfOneKeyTakeTurns(t *testing.T) {
	o := newOrderer()
	first, second, third := o.enter(claim{name: "a"}), o.enter(claim{name: "a"}), o.enter(claim{name: "a"})
	if !isReady(first) || isReady(second) || isReady(third) {
		t.Fatal("only the first may be ready")
	}
	first.leave()
	if !isReady(second) || isReady(third) {
		t.Fatal("then only the second")
	}
	second.leave()
	third.leave()
	if len(o.queues) != 0 {
		t.Fatalf("queues are left: %v", o.queues)
	}
}

// A create that comes next for its name waits for the build of its image.
func TestATicketSaysWhenItComesNextForItsFirstClaim(t *testing.T) {
	o := newOrderer()
	build := o.enter(claim{name: "image", class: "build"})
	remove := o.enter(claim{name: "web"})
	create := o.enter(claim{name: "web"}, claim{name: "image", class: "use"})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if create.waitForFirst(gone) {
		t.Error("it comes next before what is removed is gone")
	}
	remove.leave()
	if !create.waitForFirst(t.Context()) {
		t.Error("it does not come next though only its image is missing")
	}
	build.leave()
	if create.waitForFirst(t.Context()) || !isReady(create) {
		t.Error("it waits though it is its turn")
	}
}

func TestDifferentKeysDoNotWaitForEachOther(t *testing.T) {
	o := newOrderer()
	a, b := o.enter(claim{name: "a"}), o.enter(claim{name: "b"})
	if !isReady(a) || !isReady(b) {
		t.Fatal("both may run")
	}
}

func TestNeighboursOfOneClassRunSideBySide(t *testing.T) {
	o := newOrderer()
	build1 := o.enter(claim{name: "image", class: "build"})
	build2 := o.enter(claim{name: "image", class: "build"})
	use1 := o.enter(claim{name: "image", class: "use"}, claim{name: "c1"})
	use2 := o.enter(claim{name: "image", class: "use"}, claim{name: "c2"})
	build3 := o.enter(claim{name: "image", class: "build"})
	if !isReady(build1) || !isReady(build2) || isReady(use1) || isReady(use2) || isReady(build3) {
		t.Fatal("the two builds run, the others wait")
	}
	build1.leave()
	if isReady(use1) {
		t.Fatal("a build still runs")
	}
	build2.leave()
	if !isReady(use1) || !isReady(use2) || isReady(build3) {
		t.Fatal("the two creates run, the build waits")
	}
}

func TestATicketThatGivesUpLetsTheNextOneIn(t *testing.T) {
	o := newOrderer()
	first, second, third := o.enter(claim{name: "a"}), o.enter(claim{name: "a"}), o.enter(claim{name: "a"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := second.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("wait: %v", err)
	}
	first.leave()
	if !isReady(third) {
		t.Fatal("the third is next")
	}
	second.leave() // leaving twice does nothing
}

// Tickets with several claims, taken in any order by many callers, all get
// their turn, and what they claim alone nobody else has meanwhile.
func TestManyTicketsNeverDeadlockAndNeverShare(t *testing.T) {
	o := newOrderer()
	keys := []string{"a", "b", "c", "d"}
	var mu sync.Mutex
	held := map[string]int{}
	change := func(t *testing.T, claimed []string, by int) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range claimed {
			held[k] += by
			if held[k] > 1 {
				t.Errorf("%s is held %d times", k, held[k])
			}
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				mine := slices.Clone(keys)
				rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				mine = mine[:1+rand.IntN(3)]
				var claims []claim
				for _, k := range mine {
					claims = append(claims, claim{name: k})
				}
				ticket := o.enter(claims...)
				if err := ticket.wait(context.Background()); err != nil {
					t.Error(err)
				}
				change(t, mine, 1)
				change(t, mine, -1)
				ticket.leave()
			}
		})
	}
	wg.Wait()
	if len(o.queues) != 0 {
		t.Fatalf("queues are left: %v", o.queues)
	}
}
