package rpc

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// eventsAhead is how many notifications may wait for the writer, besides those
// that it writes: enough to keep it busy, and so few that a stream's lines gather
// where they come from.
const eventsAhead = 1

// outbox is the way out of a connection: what is pushed is written in that
// order by one writer at a time, a worker that is there as long as there is
// something to write. It writes the control frames too.
type outbox struct {
	ws      *websocket.Conn
	link    *link
	opts    *Options
	workers *workers
	budget  budget

	events chan struct{} // one entry for each notification that waits
	done   chan struct{} // closed when nothing more is written
	pings  *time.Timer

	mu      sync.Mutex // guards the rest
	writing bool       // the writer is there
	frames  []outFrame
	spare   []outFrame // what frames was, for the next time
	ping    bool       // it is time for a ping
	pong    []byte     // answers the last ping; nil if that is done
	ending  *ending
}

// outFrame is a frame that waits, with the room that it takes.
type outFrame struct {
	*buffer
	shared []byte // belongs in the buffer at split, and to others too
	split  int
	grant  grant
	event  bool
}

// ending is how the connection ends.
type ending struct {
	code  int  // of the Close frame, 0 for none
	flush bool // what is in the outbox is written first
}

// push hands over a frame that has its room. It never waits. It is false when
// the connection has ended.
func (o *outbox) push(f outFrame) bool {
	o.mu.Lock()
	if o.ending != nil && !o.ending.flush {
		o.mu.Unlock()
		o.drop([]outFrame{f})
		return false
	}
	o.frames = append(o.frames, f)
	o.signal()
	o.mu.Unlock()
	return true
}

// turn waits for the turn of a notification.
func (o *outbox) turn(ctx context.Context) error {
	select {
	case o.events <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-o.done:
		return ErrClosed
	}
}

// next gives the next notification its turn.
func (o *outbox) next() { <-o.events }

// end ends the connection, once: later calls change nothing but that the rest
// is no longer written.
func (o *outbox) end(code int, flush bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending == nil {
		o.ending = &ending{code, flush}
	} else {
		o.ending.flush = o.ending.flush && flush
	}
	o.signal()
}

// ended says whether the connection is about to end.
func (o *outbox) ended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ending != nil
}

// heard keeps the connection: the peer has sent something.
func (o *outbox) heard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending == nil {
		_ = o.ws.SetReadDeadline(time.Now().Add(3 * o.opts.PingInterval))
	}
}

// answerPing has a pong written.
func (o *outbox) answerPing(data string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pong = append(make([]byte, 0, len(data)), data...)
	o.signal()
}

// keepAlive has a ping written from time to time.
func (o *outbox) keepAlive() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pings = time.AfterFunc(o.opts.PingInterval, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.ending == nil {
			o.ping = true
			o.signal()
			o.pings.Reset(o.opts.PingInterval)
		}
	})
}

// signal sees to it that there is a writer. Its caller holds mu.
func (o *outbox) signal() {
	if !o.writing {
		o.writing = true
		o.workers.start(o)
	}
}

// do writes until there is nothing to write.
func (o *outbox) do() {
	for {
		runtime.Gosched() // those who are about to push do so first, and all goes out in one write
		w, ok := o.take()
		if !ok {
			return
		}
		if err := o.write(w); err != nil || w.last {
			o.finish()
			return
		}
	}
}

// work is what the writer does next.
type work struct {
	pong   []byte
	ping   bool
	frames []outFrame
	lost   bool // the frames are not written
	last   bool
}

// take gives the writer its work. Without any there is no writer from here on.
func (o *outbox) take() (work, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := work{pong: o.pong, ping: o.ping, frames: o.frames}
	if w.last = o.ending != nil; w.last {
		w.lost = !o.ending.flush
	}
	o.writing = len(w.frames) > 0 || w.ping || w.pong != nil || w.last
	if o.writing {
		o.pong, o.ping, o.frames, o.spare = nil, false, o.spare[:0], nil
	}
	return w, o.writing
}

func (o *outbox) write(w work) error {
	defer o.drop(w.frames)
	if w.lost {
		return nil
	}
	if w.pong != nil {
		if err := o.control(websocket.PongMessage, w.pong); err != nil {
			return err
		}
	}
	if w.ping {
		if err := o.control(websocket.PingMessage, nil); err != nil {
			return err
		}
	}
	if len(w.frames) == 0 {
		return nil
	}
	return o.writeFrames(w.frames)
}

// writeFrames writes frames, together as far as they are small.
func (o *outbox) writeFrames(frames []outFrame) error {
	for _, f := range frames {
		if f.event {
			o.next()
		}
	}
	if len(frames) == 1 {
		return o.writeFrame(frames[0])
	}
	o.link.hold()
	for _, f := range frames {
		if err := o.writeFrame(f); err != nil {
			_ = o.link.flush() // fails as the write did
			return err
		}
	}
	return o.link.flush()
}

func (o *outbox) writeFrame(f outFrame) error {
	return o.link.writeText(f.data[:f.split], f.shared, f.data[f.split:])
}

// drop gives back the room of frames that are written, or never will be.
func (o *outbox) drop(frames []outFrame) {
	for i, f := range frames {
		o.budget.release(f.grant)
		f.free()
		frames[i] = outFrame{}
	}
	if cap(frames) > 16 {
		return
	}
	o.mu.Lock()
	o.spare = frames[:0]
	o.mu.Unlock()
}

func (o *outbox) control(kind int, data []byte) error {
	return o.ws.WriteControl(kind, data, time.Now().Add(o.opts.WriteTimeout))
}

// finish sends the Close frame and leaves the connection to its reader for a
// moment, so that the peer's Close can come. A connection that is broken is
// closed at once.
func (o *outbox) finish() {
	defer close(o.done)
	o.drop(o.last())
	code := o.ending.code // nobody changes it any more
	if code == 0 || o.control(websocket.CloseMessage, websocket.FormatCloseMessage(code, "")) != nil {
		_ = o.ws.Close()
		return
	}
	o.mu.Lock() // the reader may just be moving the deadline
	defer o.mu.Unlock()
	_ = o.ws.SetReadDeadline(time.Now().Add(o.opts.CloseGrace))
}

// last gives the frames that came too late. There will be no others.
func (o *outbox) last() []outFrame {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending == nil {
		o.ending = new(ending)
	}
	o.ending.flush = false
	o.pings.Stop()
	frames := o.frames
	o.frames = nil
	return frames
}
