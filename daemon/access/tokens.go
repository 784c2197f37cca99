package access

import (
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/daemon/durable"
)

// Tokens are those that a running daemon takes: the admin's, and those that
// commands make and revoke in the state directory meanwhile. A file of tokens
// that cannot be read lets nobody in but the admin.
type Tokens struct {
	dir   string
	admin hash
	log   *zap.Logger

	mu      sync.Mutex // guards the rest
	version durable.Version
	grants  []*Grant // one for each token in the file
}

// OpenTokens gives the tokens of a state directory, from which it removes what a
// write left that was cut off. The admin token lies in the file adminFile; if
// there is none, one is made.
func OpenTokens(dir, adminFile string, log *zap.Logger) (*Tokens, error) {
	if err := tidyDir(dir); err != nil {
		log.Warn("what a write left that was cut off cannot be removed", zap.Error(err))
	}
	admin, err := adminSecret(adminFile)
	if err != nil {
		return nil, err
	}
	t := &Tokens{dir: dir, admin: admin, log: log}
	if err := os.MkdirAll(useDir(dir), 0o700); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.load()
	return t, nil
}

// find gives the grant for a secret, or nil.
func (t *Tokens) find(secret string) *Grant {
	shown := hashOf(secret)
	if shown.equals(t.admin) {
		return lasting(adminID)
	}
	t.refresh()
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *Grant
	for _, g := range t.grants {
		if shown.equals(g.entry.Hash) && !g.entry.Expired() {
			found = g
		}
	}
	if found != nil {
		t.noteUse(found.ID)
	}
	return found
}

// noteUse remembers, as the time of a file, that a token was used. That it
// cannot be remembered keeps nobody out.
func (t *Tokens) noteUse(id string) {
	path, now := usePath(t.dir, id), time.Now()
	err := os.Chtimes(path, now, now)
	if os.IsNotExist(err) {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.log.Warn("when a token was last used is not kept", zap.Error(err))
	}
}

// refresh reads the file again if it has changed.
func (t *Tokens) refresh() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if durable.VersionOf(tokensPath(t.dir)) != t.version {
		t.load()
	}
}

// load reads the file. The grants of tokens that are in it as they were go on,
// the others end.
func (t *Tokens) load() {
	t.version = durable.VersionOf(tokensPath(t.dir)) // before it is read: what comes later is seen next time
	entries, err := readTokens(t.dir)
	reason := errRevoked
	if err != nil {
		reason = errUnreadable
		t.log.Error("only the admin token and the Unix socket let anybody in", zap.Error(err))
	}
	var grants []*Grant
	for _, e := range entries {
		i := slices.IndexFunc(t.grants, func(g *Grant) bool { return reflect.DeepEqual(g.entry, e) })
		if i < 0 {
			grants = append(grants, t.grant(e))
		} else {
			grants = append(grants, t.grants[i])
		}
	}
	for _, g := range t.grants {
		if !slices.Contains(grants, g) {
			g.end(reason)
		}
	}
	t.grants = grants
}

func (t *Tokens) endExpired() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.grants {
		g.endExpired()
	}
}
