package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strconv"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// stream numbers the notifications of a call and writes them. Each send blocks
// while the connection's writer is busy; meanwhile what comes next gathers at
// its source.
type stream struct {
	call  *call
	event string
	name  string
	build string // the build's id, for build/output
	seq   int64  // of the last line or update that was sent
	buf   []byte // the frame that is written just now
}

func newStream(c *call, event, name string) *stream {
	return &stream{call: c, event: event, name: name}
}

// sendAll sends the chunks of a log or a build until they end.
func (s *stream) sendAll(ctx context.Context, chunks iter.Seq2[engine.Chunk, error]) error {
	for chunk, err := range chunks {
		if err != nil {
			return err
		}
		if err := s.sendChunk(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// sendChunk sends lines that are encoded already. Lines that lie together, as they
// do for all who want every line, are written from where they are.
func (s *stream) sendChunk(ctx context.Context, chunk engine.Chunk) error {
	seq := s.seq + int64(chunk.Count) + chunk.Dropped
	var shared []byte
	if len(chunk.Lines) == 1 {
		shared = chunk.Lines[0]
	}
	err := s.call.NotifyShared(ctx, s.event, func(buf []byte) []byte {
		s.buf = buf
		s.begin(seq, chunk.Dropped)
		if s.build != "" {
			s.string("build", s.build)
		}
		if chunk.Count > 0 {
			s.buf = append(s.buf, `,"lines":[`...)
		}
		if shared == nil {
			s.buf = chunk.AppendLines(s.buf)
		}
		return s.taken()
	}, shared, func(buf []byte) []byte {
		s.buf = buf
		if chunk.Count > 0 {
			s.buf = append(s.buf, ']')
		}
		s.marks(chunk.Gap, chunk.State)
		if chunk.Cursor != "" {
			s.string("cursor", chunk.Cursor)
		}
		return s.taken()
	})
	if err == nil {
		s.seq = seq
	}
	return err
}

// taken gives the frame that was written back to the connection.
func (s *stream) taken() []byte {
	buf := s.buf
	s.buf = nil
	return buf
}

// sendUsage sends a sample.
func (s *stream) sendUsage(ctx context.Context, u engine.UsageUpdate) error {
	if u.State != "" {
		return s.sendState(ctx, u.State)
	}
	return s.send(ctx, 1, u.Dropped, func() error { return s.value("usage", u.Usage) })
}

// sendContainers sends containers that changed. Whole says that they are all
// there are, and that those who followed have missed some that went.
func (s *stream) sendContainers(ctx context.Context, containers []api.Container, whole bool) error {
	return s.send(ctx, int64(len(containers)), 0, func() error {
		s.marks(whole, "")
		return s.value("containers", containers)
	})
}

// sendState says that the engine is away or back.
func (s *stream) sendState(ctx context.Context, state string) error {
	return s.send(ctx, 0, 0, func() error {
		s.marks(false, state)
		return nil
	})
}

// send sends a notification. What every one has is written here, the rest by
// members, right into the frame when there is room for it.
func (s *stream) send(ctx context.Context, count, dropped int64, members func() error) error {
	seq := s.seq + count + dropped
	var failed error
	err := s.call.NotifyFunc(ctx, s.event, func(buf []byte) []byte {
		s.buf = buf
		s.begin(seq, dropped)
		failed = members()
		return s.taken()
	})
	if err == nil {
		s.seq = seq
	}
	return cmp.Or(failed, err)
}

func (s *stream) begin(seq, dropped int64) {
	if s.name != "" {
		s.buf = append(s.buf, `"name":`...)
		s.buf = append(api.AppendString(s.buf, s.name), ',')
	}
	s.number("seq", seq)
	if dropped > 0 {
		s.buf = append(s.buf, ',')
		s.number("dropped", dropped)
	}
}

func (s *stream) number(member string, value int64) {
	s.buf = append(s.buf, '"')
	s.buf = append(s.buf, member...)
	s.buf = append(s.buf, '"', ':')
	s.buf = strconv.AppendInt(s.buf, value, 10)
}

func (s *stream) member(name string) {
	s.buf = append(s.buf, ',', '"')
	s.buf = append(s.buf, name...)
	s.buf = append(s.buf, '"', ':')
}

func (s *stream) string(member, value string) {
	s.member(member)
	s.buf = api.AppendString(s.buf, value)
}

func (s *stream) marks(gap bool, state string) {
	if gap {
		s.buf = append(s.buf, `,"gap":true`...)
	}
	if state != "" {
		s.string("state", state)
	}
}

func (s *stream) value(member string, value any) error {
	data, err := json.Marshal(value)
	s.member(member)
	s.buf = append(s.buf, data...)
	return err
}

// endOfStream gives the error that ends a stream: with the number of its last
// line, and its cursor if it has one.
func endOfStream(err error, seq int64, cursor string) error {
	var ended *api.Error
	if errors.As(err, &ended) && ended.Data != nil && ended.Data.Seq != nil {
		return err
	}
	known := apiError(err)
	if known == nil {
		return err
	}
	told := *known
	data := api.ErrorData{}
	if known.Data != nil {
		data = *known.Data
	}
	data.Seq, data.Cursor = &seq, cursor
	told.Data = &data
	return &told
}

// followLogs streams the log of a name until the container is removed.
func (d *Daemon) followLogs(ctx context.Context, c *call, p *api.LogsParams) (api.LogsResult, error) {
	out := newStream(c, api.EventLogs, c.name)
	cursor := p.After
	for chunk, err := range d.engine.FollowLogs(ctx, c.name, *p) {
		if err == nil {
			err = out.sendChunk(ctx, chunk)
		}
		if err != nil {
			return api.LogsResult{}, endOfStream(err, out.seq, cursor)
		}
		if chunk.Cursor != "" {
			cursor = chunk.Cursor
		}
	}
	return api.LogsResult{Name: c.name, Lines: []api.Line{}, Cursor: cursor, Seq: out.seq}, nil
}

// followTop streams what a container uses until it is removed. It answers the
// last sample.
func (d *Daemon) followTop(ctx context.Context, c *call, p *api.TopParams) (api.Usage, error) {
	out := newStream(c, api.EventTop, c.name)
	var last api.Usage
	for update, err := range d.engine.FollowTop(ctx, c.name, *p) {
		if err == nil {
			err = out.sendUsage(ctx, update)
		}
		if err != nil {
			return last, endOfStream(err, out.seq, "")
		}
		if update.State == "" {
			last = update.Usage
		}
	}
	return last, nil
}

// followList streams all containers, then those that change, until the call is
// cancelled.
func (d *Daemon) followList(ctx context.Context, c *call) error {
	out := newStream(c, api.EventList, "")
	if _, err := d.engine.Containers(ctx); err != nil { // waits until they are known
		return endOfStream(err, 0, "")
	}
	view := listView{up: true}
	for {
		next := d.engine.Changed()
		if err := view.send(ctx, d, out); err != nil {
			return endOfStream(err, out.seq, "")
		}
		select {
		case <-next:
		case <-ctx.Done():
			return endOfStream(ctx.Err(), out.seq, "")
		}
	}
}

// listView is what a follower of the list has been told.
type listView struct {
	begun   bool
	version uint64
	up      bool
}

// maxContainers bounds the containers in a notification, so that it stays well
// below the largest frame that clients take.
const maxContainers = 500

func (v *listView) send(ctx context.Context, d *Daemon, out *stream) error {
	if up := d.engine.Up(); up != v.up {
		v.up = up
		state := api.StreamPaused
		if up {
			state = api.StreamResumed
		}
		if err := out.sendState(ctx, state); err != nil {
			return err
		}
	}
	changed, now, whole := d.engine.Changes(v.version)
	changed = seenContainers(out.call.caller, changed)
	v.version = now
	gap := whole && v.begun
	for first := !v.begun; first || len(changed) > 0; first = false {
		n := min(len(changed), maxContainers)
		if err := out.sendContainers(ctx, changed[:n], gap); err != nil {
			return err
		}
		v.begun, gap = true, false
		changed = changed[n:]
	}
	return nil
}
