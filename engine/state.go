package engine

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/dockwire/dockwire/client/api"
)

// record is one container as the engine last said it is.
type record struct {
	api.Container
	host     string         // NAME.BASE, whatever the custom domain
	owner    string         // who created it
	imageID  string         // the image it was made from
	network  string         // the shared network it is in; "" when it has one of its own
	halfMade bool           // created to be started, and never was
	addr     netip.AddrPort // where it is reached from this host; invalid when it is not
	version  uint64         // of the state when the Container last changed
}

// state holds the containers of this instance in memory. The engine is the
// truth: a syncer keeps the state as the engine is, and each mutation puts what
// it did here before it answers.
type state struct {
	mu      sync.RWMutex
	byName  map[string]*record            // records are replaced, never changed
	byHost  map[string]map[string]*record // those of byName that serve HTTP
	gone    []*record                     // the last of those that were removed, oldest first
	version uint64
	dropped uint64 // the highest version that gone has forgotten
	changed chan struct{}
	up      bool          // the engine answers, and the state was read from it
	route   func(*record) // told of each record as it is put or dropped; set before anything is
}

// maxGone bounds how many removed containers a state remembers for its
// followers.
const maxGone = 1000

func newState() *state {
	return &state{byName: map[string]*record{}, byHost: map[string]map[string]*record{}, changed: make(chan struct{}), route: func(*record) {}}
}

// get gives the container called name.
func (s *state) get(name string) (*record, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.byName[name]
	return r, ok
}

// at gives the containers that HTTP for the host goes to, by name.
func (s *state) at(host string) []*record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return byName(s.byHost[host])
}

// list gives all containers, by name.
func (s *state) list() []*record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return byName(s.byName)
}

func byName(records map[string]*record) []*record {
	return slices.SortedFunc(maps.Values(records), func(a, b *record) int { return strings.Compare(a.Name, b.Name) })
}

// next gives a channel that is closed at the next change of anything here. To
// miss nothing, take it before looking.
func (s *state) next() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// put stores r in place of what was known under its name. Another container
// that had the name is gone.
func (s *state) put(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.byName[r.Name]
	if known {
		s.forgetHosts(old)
	}
	s.byName[r.Name] = r
	s.route(r)
	s.rememberHosts(r)
	if known && old.Container == r.Container {
		r.version = old.version
		return
	}
	if known && old.ID != r.ID {
		s.bury(old)
	}
	s.version++
	r.version = s.version
	s.broadcast()
}

// drop forgets the container called name, if it still is the one with this id.
func (s *state) drop(name, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.byName[name]
	if !ok || old.ID != id {
		return
	}
	delete(s.byName, name)
	s.forgetHosts(old)
	s.bury(old)
	s.broadcast()
}

func (s *state) rememberHosts(r *record) {
	if r.Port == 0 {
		return
	}
	for _, host := range []string{r.host, r.Domain} {
		if s.byHost[host] == nil {
			s.byHost[host] = map[string]*record{}
		}
		s.byHost[host][r.Name] = r
	}
}

func (s *state) forgetHosts(old *record) {
	for _, host := range []string{old.host, old.Domain} {
		delete(s.byHost[host], old.Name)
		if len(s.byHost[host]) == 0 {
			delete(s.byHost, host)
		}
	}
}

// bury remembers for the followers that a container is gone.
func (s *state) bury(old *record) {
	s.version++
	gone := *old
	gone.State, gone.version, gone.addr = api.StateRemoved, s.version, netip.AddrPort{}
	s.route(&gone)
	s.gone = append(s.gone, &gone)
	if len(s.gone) > maxGone {
		s.dropped = s.gone[0].version
		s.gone = slices.Delete(s.gone, 0, 1)
	}
}

// cutOff says that the container is not reached any more, before its address
// can be given to another.
func (s *state) cutOff(name, id string) {
	if r, ok := s.get(name); ok && r.ID == id {
		cut := *r
		cut.addr = netip.AddrPort{}
		s.put(&cut)
	}
}

// setUp says whether the engine answers.
func (s *state) setUp(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up != up {
		s.up = up
		s.broadcast()
	}
}

// isUp says whether the engine answers and the state is as it said.
func (s *state) isUp() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.up
}

// since gives what changed after the version, oldest change first, and the
// version now. Containers that are gone come with the state removed. After
// version 0, or one so old that removals were forgotten, whole is true and the
// answer is everything there is.
func (s *state) since(version uint64) (changes []*record, now uint64, whole bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	whole = version == 0 || version < s.dropped
	for _, r := range s.byName {
		if whole || r.version > version {
			changes = append(changes, r)
		}
	}
	if !whole {
		for _, r := range s.gone {
			if r.version > version {
				changes = append(changes, r)
			}
		}
	}
	slices.SortFunc(changes, func(a, b *record) int { return cmp.Compare(a.version, b.version) })
	return changes, s.version, whole
}

func (s *state) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}
