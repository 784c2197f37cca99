package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/dockwire/dockwire/client/api"
)

// ErrIncomplete is the error of a stream whose numbers do not add up: lines got
// lost on the way, or came twice.
var ErrIncomplete = errors.New("the stream does not add up")

// errBreak ends a stream whose consumer has seen enough.
var errBreak = errors.New("break")

// sequence makes a sequence of what run emits. An error of run is its last
// element; one of emit has to end run.
func sequence[T any](run func(emit func(T) error) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		over := false
		err := run(func(element T) error {
			if over = !yield(element, nil); over {
				return errBreak
			}
			return nil
		})
		if err != nil && !over {
			var none T
			yield(none, err)
		}
	}
}

// decoded makes a consumer of events one of their params.
func decoded[T any](consume func(T) error) func(json.RawMessage) error {
	return func(params json.RawMessage) error {
		var event T
		if err := json.Unmarshal(params, &event); err != nil {
			return fmt.Errorf("an event of the stream cannot be read: %w", err)
		}
		return consume(event)
	}
}

// counter checks that each seq of a stream is the one before plus what came
// since, and counts on when the stream starts anew on another connection.
type counter struct {
	midway bool  // the stream does not begin with its first line
	wire   int64 // the last seq of this connection
	seq    int64 // the last seq as the consumer has it
}

// restart is for a stream that counts from 1 on its new connection.
func (c *counter) restart() { c.wire = 0 }

// add takes the seq of an event that stands for so many lines, and makes it the
// consumer's.
func (c *counter) add(seq *int64, lines int64) error {
	if c.midway {
		c.midway = false
		c.wire = *seq - lines
		c.seq = c.wire
	}
	if *seq != c.wire+lines {
		return fmt.Errorf("%w: %d came after %d with %d lines", ErrIncomplete, *seq, c.wire, lines)
	}
	c.wire = *seq
	c.insert(seq, lines)
	return nil
}

// insert counts what the consumer gets though the daemon did not count it.
func (c *counter) insert(seq *int64, lines int64) {
	c.seq += lines
	*seq = c.seq
}

// end takes the seq that the answer gives as the last.
func (c *counter) end(seq int64) error {
	if seq != c.wire && !c.midway {
		return fmt.Errorf("%w: it ended with %d, but %d is the last that came", ErrIncomplete, seq, c.wire)
	}
	return nil
}

// roster remembers the containers that a list has told of, so that it can tell
// which were removed while it could not see it.
type roster struct {
	known map[string]api.Container
	stale bool // changes may have been missed since
}

// restart is for a list that begins anew on another connection.
func (r *roster) restart() { r.stale = len(r.known) > 0 }

// update takes an event. After a time that it could not see it adds to the
// event, as removed, the containers that are not among those that now gives.
// That they are not in the event says nothing: a long list comes in pieces.
func (r *roster) update(out *api.ListOutput, now func() ([]api.Container, error)) (added int, err error) {
	if r.known == nil {
		r.known = map[string]api.Container{}
	}
	r.stale = r.stale || out.Gap
	if r.stale && out.State == "" {
		list, err := now()
		if err != nil {
			return 0, err
		}
		gone := r.without(list)
		out.Containers, added = append(out.Containers, gone...), len(gone)
		out.Gap, r.stale = false, false
	}
	for _, container := range out.Containers {
		r.known[container.Name] = container
		if container.State == api.StateRemoved {
			delete(r.known, container.Name)
		}
	}
	return added, nil
}

// without gives what is known and not in list, as removed.
func (r *roster) without(list []api.Container) (gone []api.Container) {
	lives := map[string]bool{}
	for _, container := range list {
		lives[container.Name] = true
	}
	for name, container := range r.known {
		if !lives[name] {
			container.State = api.StateRemoved
			gone = append(gone, container)
		}
	}
	return gone
}
