package ingress

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/dockwire/dockwire/engine"
)

// dialError says that there is no connection to the container: it has got
// nothing of the request.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// dial connects to the container, whatever address it is given. A connection
// that was made when the address could be another's is not used.
func (b *backend) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := b.connect(ctx)
	if err != nil {
		b.lost()
		return nil, &dialError{fmt.Errorf("no connection to %s: %w", b.name, err)}
	}
	return conn, nil
}

func (b *backend) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(b.dialing, cancel)()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", b.route.Address.String())
	if err != nil {
		return nil, err
	}
	if b.route.Published {
		err = b.leads(ctx, b.route) // only now does it say something of this connection
	}
	if err := cmp.Or(b.dialing.Err(), err); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// lost notes that the container does not accept connections any more, and waits
// for it to do so again.
func (b *backend) lost() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.accepts && !b.leaving {
		b.accepts = false
		b.probes.Go(b.probe)
	}
}

// failed notes that a request was not answered. Behind a port that is published
// that may be all that is seen of a container which accepts no connection.
func (b *backend) failed() {
	if b.route.Published {
		b.lost()
	}
}

// probe dials until the container accepts the connection.
func (b *backend) probe() {
	for wait := firstProbe; ; wait = min(2*wait, lastProbe) {
		if b.accepted() {
			b.mu.Lock()
			b.accepts = true
			b.mu.Unlock()
			b.changed.ring()
			return
		}
		select {
		case <-b.dialing.Done():
			return
		case <-time.After(wait):
		}
	}
}

// accepted dials, and says whether the container accepts the connection.
func (b *backend) accepted() bool {
	conn, err := b.connect(b.dialing)
	if err != nil {
		return false
	}
	defer conn.Close()
	return !b.route.Published || engine.StaysOpen(conn)
}
