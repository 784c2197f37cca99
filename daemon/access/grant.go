package access

import (
	"context"
	"errors"
	"time"
)

// Grant is what a connection was given for its token. It ends when the token is
// revoked or expires; that of the admin token, and of the Unix socket, lasts as
// long as the daemon.
type Grant struct {
	Caller
	tokens *Tokens // nil for one that does not end
	entry  entry
	ctx    context.Context // ends with the grant, and says why
	end    context.CancelCauseFunc
}

// The callers that are no token of those that were made.
const (
	adminID = "admin" // the admin token
	localID = "local" // the Unix socket
)

// Local is the grant of the Unix socket, where file permission decides.
var Local = lasting(localID)

func lasting(id string) *Grant {
	return &Grant{Caller: Caller{ID: id, Scope: Admin, Names: Names{"*"}}, ctx: context.Background()}
}

var (
	errRevoked    = errors.New("the token was revoked: ask for another")
	errExpired    = errors.New("the token has expired: ask for another")
	errUnreadable = errors.New("the daemon cannot read its tokens: its log says why")
)

func (t *Tokens) grant(e entry) *Grant {
	g := &Grant{Caller: Caller{ID: e.ID, Scope: e.Scope, Names: e.Names}, tokens: t, entry: e}
	g.ctx, g.end = context.WithCancelCause(context.Background())
	return g
}

// Lasts says that the grant cannot end before the daemon does.
func (g *Grant) Lasts() bool { return g.tokens == nil }

// Ended says why the grant is not good any more, or nil. It looks whether the
// tokens have changed.
func (g *Grant) Ended() error {
	if g.Lasts() {
		return nil
	}
	g.tokens.refresh()
	g.endExpired()
	return context.Cause(g.ctx)
}

func (g *Grant) endExpired() {
	if g.entry.Expired() {
		g.end(errExpired)
	}
}

// Bind gives a ctx that ends with the grant, too. Release gives back what it
// takes.
func (g *Grant) Bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.ctx, cancel)
	return bound, func() {
		stop()
		cancel()
	}
}

// watchInterval is how soon the end of a grant is noticed by what runs under it.
const watchInterval = time.Second

// Watch ends the grants of tokens that were revoked or have expired, so that
// streams end though nobody calls. It returns nil when ctx ends.
func (t *Tokens) Watch(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.refresh()
			t.endExpired()
		case <-ctx.Done():
			return nil
		}
	}
}
