package engine

import "sync"

// reservations are the hosts of containers that are being created. The zero
// value is ready.
type reservations struct {
	mu      sync.Mutex
	holders map[string]map[string]string // owners by host and container name
}

// take reserves all of the hosts for the container called name of the owner, or
// none and says which one the create of another owner's container has. Those of
// one owner share their domains. The host that a container has by its name is
// nobody's domain: checkDomain refuses it.
func (r *reservations) take(name, owner string, hosts ...string) (release func(), host, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		for holder, of := range r.holders[host] {
			if holder != name && of != owner {
				return nil, host, holder
			}
		}
	}
	if r.holders == nil {
		r.holders = map[string]map[string]string{}
	}
	for _, host := range hosts {
		if r.holders[host] == nil {
			r.holders[host] = map[string]string{}
		}
		r.holders[host][name] = owner
	}
	return func() { r.free(name, hosts) }, "", ""
}

func (r *reservations) free(name string, hosts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
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
