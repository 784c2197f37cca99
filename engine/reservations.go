package engine

import "sync"

// reservations are hosts of containers that are being created. The zero value
// is ready.
type reservations struct {
	mu      sync.Mutex
	holders map[string]string // container names by host
}

// take reserves all of the hosts for the container called name, or none and
// says which one another container's create has.
func (r *reservations) take(name string, hosts ...string) (release func(), host, holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		if holder, ok := r.holders[host]; ok && holder != name {
			return nil, host, holder
		}
	}
	if r.holders == nil {
		r.holders = map[string]string{}
	}
	for _, host := range hosts {
		r.holders[host] = name
	}
	return func() { r.free(hosts) }, "", ""
}

func (r *reservations) free(hosts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, host := range hosts {
		delete(r.holders, host)
	}
}

// taken says whether the host is reserved.
func (r *reservations) taken(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.holders[host]
	return ok
}
