package engine

import "sync"

// reservations are the hosts of containers that are being created. The zero
// value is ready.
type reservations struct {
	mu      sync.Mutex
	holders map[string]map[string]reservation // by host and container name
}

type reservation struct {
	owner string
	times int // that it was taken and not released yet
}

// take reserves all of the hosts for the container called name of the owner, or
// none and says which one another owner's create has, be it of the same name. Those
// of one owner share their domains. The host that a container has by its name is
// nobody's domain: checkDomain refuses it. A container may take what it has, and
// has it until it was released as often.
func (r *reservations) take(name, owner string, hosts ...string) (release func(), host, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		for holder, of := range r.holders[host] {
			if of.owner != owner {
				return nil, host, holder
			}
		}
	}
	if r.holders == nil {
		r.holders = map[string]map[string]reservation{}
	}
	for _, host := range hosts {
		if r.holders[host] == nil {
			r.holders[host] = map[string]reservation{}
		}
		r.holders[host][name] = reservation{owner, r.holders[host][name].times + 1}
	}
	return func() { r.free(name, hosts) }, "", ""
}

func (r *reservations) free(name string, hosts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		h := r.holders[host][name]
		if h.times--; h.times > 0 {
			r.holders[host][name] = h
			continue
		}
		delete(r.holders[host], name)
		if len(r.holders[host]) == 0 {
			delete(r.holders, host)
		}
	}
}

// taken says whether the host is reserved.
func (r *reservations) taken(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.holders[host]
	return ok
}

// any says whether something is being created.
func (r *reservations) any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.holders) > 0
}
