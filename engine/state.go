package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// record is one container as the engine last said it is.
type record struct {
	api.Container
	host     string         // NAME.BASE, whatever the custom domain; of a sibling that of the container whose sibling it is
	owner    string         // who created it
	imageID  string         // the image it was made from
	network  string         // the shared network it is in; "" when it has one of its own
	edition  string         // which create or update made it; its siblings have the same
	halfMade bool           // created to be started, and never was
	addr     netip.AddrPort // where it is reached from this host; invalid when it is not
	cores    float64        // its CPU limit, 0 for none
	looked   time.Time      // when the engine was asked for it alone
	until    int64          // of one that was replaced: when that was, in Unix nanoseconds of the engine
	details  details        // what inspect tells besides
	around   *surroundings
	service  *service // what a swarm knows besides; nil of an engine

	version uint64          // of the state when the Container last changed; 0 for one that only the list has told of
	json    json.RawMessage // the Container
}

// state holds the containers of this instance in memory. The engine is the
// truth: a syncer keeps the state as the engine is, and each mutation puts what
// it did here before it answers.
type state struct {
	mu      sync.RWMutex
	byName  map[string]*record            // records are replaced, never changed
	byHost  map[string]map[string]*record // those of byName that serve HTTP
	family  map[string]map[string]*record // those of byName that are siblings, by whose they are
	kept    map[string]*record            // by name, the containers that those of byName replaced
	doubted map[string]bool               // ids of those that have to be looked at before they are told of
	gone    []*record                     // the last of those that were removed, oldest first
	version uint64
	listing json.RawMessage // all Containers, of this version; nil if nobody has asked since
	dropped uint64          // the highest version that gone has forgotten
	changed chan struct{}
	up      bool          // the engine answers, and the state was read from it
	route   func(*record) // told of each record as it is put or dropped; set before anything is
}

// maxGone bounds how many removed containers a state remembers for its
// followers.
const maxGone = 1000

func newState() *state {
	return &state{
		byName: map[string]*record{}, byHost: map[string]map[string]*record{}, family: map[string]map[string]*record{}, kept: map[string]*record{}, doubted: map[string]bool{},
		changed: make(chan struct{}), route: func(*record) {},
	}
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

// listed gives the JSON of the containers whose names are seen, by name; of all
// when seen is nil.
func (s *state) listed(seen func(name string) bool) json.RawMessage {
	if seen == nil {
		return s.answer()
	}
	return arrayOf(slices.DeleteFunc(s.list(), func(r *record) bool { return !seen(r.Name) }))
}

// answer gives the JSON of all containers, by name. It is made once for each
// version and shared: nobody may change it.
func (s *state) answer() json.RawMessage {
	s.mu.RLock()
	known := s.listing
	s.mu.RUnlock()
	if known != nil {
		return known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listing == nil {
		s.listing = arrayOf(byName(s.byName))
	}
	return s.listing
}

// arrayOf gives the JSON array of the containers, those left out of which only
// the list has told.
func arrayOf(records []*record) json.RawMessage {
	parts := make([][]byte, 0, len(records))
	for _, r := range records {
		if r.version > 0 {
			parts = append(parts, r.json)
		}
	}
	return slices.Concat([]byte{'['}, bytes.Join(parts, []byte{','}), []byte{']'})
}

// all gives all containers, and those that are kept.
func (s *state) all() []*record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append(byName(s.byName), byName(s.kept)...)
}

// next gives a channel that is closed at the next change of anything here. To
// miss nothing, take it before looking.
func (s *state) next() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// put stores r in place of what was known under its name. Another container
// that had the name is gone, unless it is kept.
func (s *state) put(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.place(r)
	delete(s.doubted, r.ID)
	if old != nil && old.ID == r.ID && old.imageID == r.imageID {
		r.around = old.around
	}
	r.Replicas, r.Serving = s.replicas(r)
	if old != nil && old.version > 0 && old.Container == r.Container {
		r.version, r.json = old.version, old.json
		return
	}
	s.publish(r)
	s.recount(r.ReplicaOf)
}

// publish makes r what is told of its container from now on.
func (s *state) publish(r *record) {
	s.advance()
	r.version = s.version
	r.json, _ = json.Marshal(r.Container) // cannot fail
	s.broadcast()
}

// place makes r what its name and its hosts lead to, and gives what the name led
// to before, if anything. Another container that had it is gone.
func (s *state) place(r *record) (old *record) {
	old = s.byName[r.Name]
	if old != nil {
		s.forgetHosts(old)
		s.part(old)
	}
	s.byName[r.Name] = r
	s.route(r)
	s.rememberHosts(r)
	s.join(r)
	if old != nil && old.ID != r.ID {
		s.replace(old)
		s.broadcast()
	}
	return old
}

// replace sees to the container whose name another has now.
func (s *state) replace(old *record) {
	if kept := s.kept[old.Name]; kept != nil && kept.ID == old.ID {
		s.unroute(old)
		return
	}
	s.bury(old)
}

// keep stores a container that was replaced, and stays for a rollback.
func (s *state) keep(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[r.Name] = r
	delete(s.doubted, r.ID)
}

// replaced gives the container that the one called name has replaced.
func (s *state) replaced(name string) (*record, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.kept[name]
	return r, ok
}

// drop forgets the container called name, if it still is the one with this id.
func (s *state) drop(name, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.kept[name]; kept != nil && kept.ID == id {
		delete(s.kept, name)
		delete(s.doubted, id)
	}
	old, ok := s.byName[name]
	if !ok || old.ID != id {
		return
	}
	delete(s.byName, name)
	delete(s.doubted, id)
	s.forgetHosts(old)
	s.part(old)
	s.bury(old)
	s.recount(old.ReplicaOf)
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

// bury remembers for the followers that a container is gone, and nothing else of
// it.
func (s *state) bury(old *record) {
	s.advance()
	s.gone = append(s.gone, &record{Container: s.unroute(old).Container, version: s.version})
	if len(s.gone) > maxGone {
		s.dropped = s.gone[0].version
		s.gone = slices.Delete(s.gone, 0, 1)
	}
}

// unroute says that nothing goes to a container any more, and gives how it is
// for the followers.
func (s *state) unroute(old *record) *record {
	gone := *old
	gone.State, gone.addr = api.StateRemoved, netip.AddrPort{}
	s.route(&gone)
	return &gone
}

// cutOff says that the container is not reached any more, before its address
// can be given to another.
func (s *state) cutOff(name, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.byName[name]; ok && r.ID == id {
		cut := *r
		cut.addr = netip.AddrPort{}
		s.place(&cut)
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
// answer is everything there is. Those of which only the list has told are left
// out until they were looked at.
func (s *state) since(version uint64) (changes []*record, now uint64, whole bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	whole = version == 0 || version < s.dropped
	for _, r := range s.byName {
		if r.version > 0 && (whole || r.version > version) {
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

// advance counts a change of what the state tells.
func (s *state) advance() {
	s.version++
	s.listing = nil
}

func (s *state) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}
