package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// logOptions say which part of a log the engine is asked for. It only bounds
// what has to be read: a reader looks at every line itself.
type logOptions struct {
	follow bool
	tail   int    // so many of the newest pieces; 0 for all
	since  int64  // Unix nanoseconds, inclusive; 0 for no bound
	until  int64  // likewise, but exclusive
	idle   func() // called before each wait for the engine, if not nil
}

// logReader reads one of the engine's answers.
type logReader struct {
	*demuxer
	io.Closer
}

// openLog asks the engine for the log of a container. Cancelling ctx ends the
// answer, and so does an engine that falls silent. Its error is never io.EOF.
func (e *Engine) openLog(ctx context.Context, id string, o logOptions) (*logReader, error) {
	ctx, cancel := e.untilSilent(ctx)
	tooLate := time.AfterFunc(readTimeout, cancel)
	body, err := e.cli.ContainerLogs(ctx, id, o.query())
	err = unanswered(err)
	if !tooLate.Stop() {
		if err == nil {
			body.Close()
		}
		err = unavailable(err, api.OutcomeNone, "the engine did not answer within %v: see whether it is overloaded or being started", readTimeout)
	}
	if err != nil {
		cancel()
		return nil, causeOf(ctx, err)
	}
	body = &logBody{ReadCloser: body, ctx: ctx, idle: o.idle, cancel: cancel}
	return &logReader{newDemuxer(body), body}, nil
}

func (o logOptions) query() container.LogsOptions {
	q := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: o.follow, Tail: "all"}
	if o.tail > 0 {
		q.Tail = strconv.Itoa(o.tail)
	}
	if o.since > 0 {
		q.Since = engineTime(o.since)
	}
	if o.until > 0 {
		q.Until = engineTime(o.until + disorder) // the engine stops at the first line that is later
	}
	return q
}

func engineTime(nanos int64) string {
	return fmt.Sprintf("%d.%09d", nanos/int64(time.Second), nanos%int64(time.Second))
}

type logBody struct {
	io.ReadCloser
	ctx    context.Context
	idle   func()
	cancel context.CancelFunc
}

func (b *logBody) Read(p []byte) (int, error) {
	if b.idle != nil {
		b.idle()
	}
	n, err := b.ReadCloser.Read(p)
	return n, causeOf(b.ctx, err)
}

func (b *logBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// errNotMet says that the line to go on after is not in what was read.
var errNotMet = errors.New("the line was not met in the log")

// nearEnd is how many of the newest pieces are looked at first for the line to
// go on after: most callers were away for a short time, and the engine finds its
// newest pieces at once, but looks for a time from the beginning.
const nearEnd = 256

// openLogAfter opens the log where it goes on after a position. If its line is
// gone, whatever there is came later: then gap is true, and the reader begins at
// the beginning. A follower is not told so, but that the line was not met: the
// engine may have passed over it.
func (e *Engine) openLogAfter(ctx context.Context, id string, from position, o logOptions) (r *logReader, gap bool, err error) {
	if from.last == (mark{}) {
		r, err = e.openLog(ctx, id, o)
		return r, false, err
	}
	attempts := []logOptions{
		{follow: o.follow, idle: o.idle, tail: nearEnd},
		{follow: o.follow, idle: o.idle, since: from.since()},
	}
	if from.opened != 0 {
		attempts = attempts[1:] // the beginning of the open line may be far back
	}
	for _, attempt := range attempts {
		if r, err = e.openLog(ctx, id, attempt); err != nil {
			return nil, false, err
		}
		if err = r.skipTo(from, attempt.tail); err == nil {
			return r, false, nil
		}
		r.Close()
		if !errors.Is(err, errNotMet) {
			return nil, false, err
		}
	}
	if o.follow {
		return nil, false, errNotMet
	}
	r, err = e.openLog(ctx, id, o)
	return r, true, err
}

// skipTo reads on until it has met the last line of the position. Of a log that
// is read from the inside, only the first pieces are looked at, and a line near
// the beginning is not trusted: others of its time may be missing before it.
func (r *logReader) skipTo(p position, pieces int) error {
	for {
		line, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return errNotMet
		case err != nil:
			return err
		case line.mark == p.last && (pieces == 0 || r.doubt < r.count):
			return nil
		case line.mark == p.last, line.time > p.newest+disorder, pieces > 0 && r.frames >= pieces:
			return errNotMet
		}
	}
}

// logError gives the *Error for what went wrong with the log of a container.
func (e *Engine) logError(err error, name string) error {
	if errdefs.IsNotImplemented(err) {
		return &Error{
			Class:  LogsUnavailable,
			Reason: fmt.Sprintf("the log of %s cannot be read: its log driver keeps none; json-file does", name),
			Data:   api.ErrorData{Kind: kindContainer, Name: name},
			Err:    err,
		}
	}
	return e.wrap(err, kindContainer, name, "the log of %s could not be read", name)
}

// gone says whether an error is that of a container that is not there, or is
// being removed.
func gone(err error) bool { return errdefs.IsNotFound(err) || errdefs.IsConflict(err) }

// passing says whether an error is one of an engine that is away for the moment.
func passing(err error) bool {
	var known *Error
	if errors.As(err, &known) {
		return known.Class == Unavailable
	}
	return lost(err) || errdefs.IsUnavailable(err) || errdefs.IsInternal(err)
}
