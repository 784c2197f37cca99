package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func rec(name, id, state string) *record {
	return &record{
		host:      name + ".base",
		addr:      netip.MustParseAddrPort("10.231.0.2:80"),
		Container: api.Container{Name: name, ID: id, State: state, Domain: name + ".base", Port: 80},
	}
}

func changesAfter(s *state, version uint64) (names []string, now uint64, whole bool) {
	changes, now, whole := s.since(version)
	for _, r := range changes {
		names = append(names, r.Name+" "+r.ID+" "+r.State)
	}
	return names, now, whole
}

func TestAFollowerOfTheStateSeesEveryChangeInOrder(t *testing.T) {
	s := newState()
	s.put(rec("web", "1", api.StateCreated))
	s.put(rec("db", "2", api.StateRunning))
	_, now, whole := changesAfter(s, 0)
	if !whole {
		t.Error("the first answer is not everything")
	}
	s.put(rec("web", "1", api.StateRunning))
	s.drop("db", "2")
	s.put(rec("db", "3", api.StateCreated))
	got, _, whole := changesAfter(s, now)
	want := []string{"web 1 running", "db 2 removed", "db 3 created"}
	if whole || !slices.Equal(got, want) {
		t.Errorf("the changes are %v (whole: %v), want %v", got, whole, want)
	}
}

func TestAContainerOfTheSameNameBuriesTheOneBefore(t *testing.T) {
	s := newState()
	s.put(rec("web", "1", api.StateRunning))
	_, now, _ := s.since(0)
	s.put(rec("web", "2", api.StateRunning))
	s.drop("web", "1")
	got, _, _ := changesAfter(s, now)
	if want := []string{"web 1 removed", "web 2 running"}; !slices.Equal(got, want) {
		t.Errorf("the changes are %v, want %v", got, want)
	}
}

func TestPuttingWhatIsKnownChangesNothing(t *testing.T) {
	s := newState()
	s.put(rec("web", "1", api.StateRunning))
	changed := s.next()
	_, before, _ := s.since(0)
	s.put(rec("web", "1", api.StateRunning))
	if _, after, _ := s.since(0); after != before {
		t.Errorf("the version went from %d to %d", before, after)
	}
	moved := rec("web", "1", api.StateRunning)
	moved.addr = netip.MustParseAddrPort("10.231.0.9:80")
	s.put(moved)
	if found := s.at("web.base"); found[0].addr != moved.addr {
		t.Errorf("it is at %v, want its new address", found[0].addr)
	}
	select {
	case <-changed:
		t.Error("followers were woken")
	default:
	}
}

func TestAFollowerThatMissedForgottenRemovalsGetsEverything(t *testing.T) {
	s := newState()
	s.put(rec("stays", "0", api.StateRunning))
	_, now, _ := s.since(0)
	for i := range maxGone + 1 {
		name := fmt.Sprint("c", i)
		s.put(rec(name, name, api.StateRunning))
		s.drop(name, name)
	}
	if got, _, whole := changesAfter(s, now); !whole || len(got) != 1 {
		t.Errorf("the follower got %v (whole: %v)", got, whole)
	}
	if _, _, whole := s.since(s.version - 2); whole {
		t.Error("a follower that missed nothing forgotten got everything")
	}
}

func TestHostsGoWithTheirContainer(t *testing.T) {
	s := newState()
	old := rec("web", "1", api.StateRunning)
	old.Domain = "shop.example.com"
	s.put(old)
	worker := rec("worker", "9", api.StateRunning)
	worker.Port = 0
	s.put(worker)
	for host, want := range map[string]bool{"web.base": true, "shop.example.com": true, "worker.base": false, "": false} {
		if found := s.at(host); len(found) != 0 != want {
			t.Errorf("the host %q: %v, want %v", host, found, want)
		}
	}
	s.put(rec("web", "2", api.StateRunning))
	if len(s.at("shop.example.com")) != 0 {
		t.Error("the domain of a container that was replaced still leads somewhere")
	}
	s.cutOff("web", "2")
	if found := s.at("web.base"); len(found) != 1 || found[0].addr.IsValid() {
		t.Errorf("a container that was cut off is at %v", found)
	}
	s.drop("web", "2")
	if len(s.at("web.base")) != 0 {
		t.Error("the host of a container that was removed still leads somewhere")
	}
}

func TestAHostOfSeveralStaysWithThoseThatAreLeft(t *testing.T) {
	s := newState()
	for _, name := range []string{"b", "a"} {
		r := rec(name, name+"1", api.StateRunning)
		r.Domain = "shop.example.com"
		s.put(r)
	}
	names := func() (names []string) {
		for _, r := range s.at("shop.example.com") {
			names = append(names, r.ID)
		}
		return names
	}
	if got := names(); !slices.Equal(got, []string{"a1", "b1"}) {
		t.Errorf("the domain leads to %v", got)
	}
	s.put(rec("a", "a2", api.StateRunning)) // without the domain
	if got := names(); !slices.Equal(got, []string{"b1"}) {
		t.Errorf("then it leads to %v", got)
	}
	s.drop("b", "b1")
	if got := names(); got != nil {
		t.Errorf("at the end it leads to %v", got)
	}
}

func TestWhatOnlyTheListHasToldIsKeptFromFollowersUntilItWasLookedAt(t *testing.T) {
	s := newState()
	s.put(rec("web", "1", api.StateRunning))
	if got := string(s.answer()); !strings.HasPrefix(got, `[{"name":"web"`) {
		t.Errorf("the answer is %s", got)
	}
	_, now, _ := s.since(0)
	s.sketch(rec("web", "2", api.StateRunning))
	if at := s.at("web.base"); len(at) != 1 || at[0].ID != "2" || !s.inDoubt("2") {
		t.Errorf("the host leads to %+v", at)
	}
	got, _, _ := changesAfter(s, now)
	if want := []string{"web 1 removed"}; !slices.Equal(got, want) || string(s.answer()) != "[]" {
		t.Errorf("the changes are %v, the answer is %s", got, s.answer())
	}
	s.put(rec("web", "2", api.StateRunning))
	got, _, _ = changesAfter(s, now)
	if want := []string{"web 1 removed", "web 2 running"}; !slices.Equal(got, want) || s.doubts() != nil {
		t.Errorf("the changes are %v, in doubt are %v", got, s.doubts())
	}
	s.drop("web", "2")
	s.sketch(rec("web", "2", api.StateRunning))
	if _, ok := s.get("web"); ok {
		t.Error("an old list brings back what was removed meanwhile")
	}
}

func TestADoubtEndsWithALook(t *testing.T) {
	s := newState()
	s.put(rec("web", "1", api.StateRunning))
	s.put(rec("db", "2", api.StateRunning))
	s.doubtAll()
	_, before, _ := s.since(0)
	s.sketch(rec("web", "1", api.StateExited))
	if r, _ := s.get("web"); r.State != api.StateRunning {
		t.Error("a list changes what a look has told")
	}
	s.put(rec("web", "1", api.StateRunning))
	s.cutOff("db", "2")
	if _, after, _ := s.since(0); after != before || s.inDoubt("1") || !s.inDoubt("2") {
		t.Errorf("the version went from %d to %d, in doubt are %v", before, after, s.doubts())
	}
	s.drop("db", "2")
	if s.doubts() != nil {
		t.Errorf("in doubt are %v", s.doubts())
	}
}
