package client

import (
	"context"
	"iter"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// Logs gives lines that a container has written: the newest that fit into one
// answer, or with p.After the oldest after it. FollowLogs gives all, and those
// that are still to come.
func (c *Client) Logs(ctx context.Context, name string, p api.LogsParams) (api.LogsResult, error) {
	p.Follow = false
	return read[api.LogsResult](ctx, c, name+"/logs", p)
}

// FollowLogs gives the lines that a container has written, as p chooses them,
// and those that it goes on to write, through stops and starts, until it is
// removed or the time p.Until is reached. Seq counts from 1 through all
// connections. An error is the last of the sequence; api.CodeMethodNotFound
// means that the container was removed while the connection was broken.
func (c *Client) FollowLogs(ctx context.Context, name string, p api.LogsParams) iter.Seq2[api.Output, error] {
	p.Follow = true
	return sequence(func(emit func(api.Output) error) error {
		var result api.LogsResult
		log := logStream{asked: p}
		err := c.attempt(ctx, call{
			method: name + "/logs",
			params: log.params,
			result: &result,
			onEvent: decoded(func(out api.Output) error {
				if err := log.take(&out); err != nil {
					return err
				}
				return emit(out)
			}),
			follow: true,
		})
		if err != nil {
			return err
		}
		return log.count.end(result.Seq)
	})
}

// logStream is how far a log has been followed.
type logStream struct {
	asked api.LogsParams // what is asked for, from here on
	begun time.Time      // when it was first asked for
	count counter
}

// params gives the parameters for another connection.
func (s *logStream) params() any {
	s.count.restart()
	if s.begun.IsZero() {
		s.begun = time.Now()
		return s.asked
	}
	return resumed(s.asked, time.Since(s.begun))
}

// take takes an event. What the cursor has passed needs no choosing any more:
// the newest lines of all, say, would be fewer than are left.
func (s *logStream) take(out *api.Output) error {
	if out.Cursor != "" {
		s.asked.After, s.asked.Since, s.asked.Tail = out.Cursor, "", api.Tail{}
	}
	return s.count.add(&out.Seq, out.Dropped+int64(len(out.Lines)))
}

// resumed gives the parameters for a log that was first asked for a while ago:
// what is a duration back from now is longer by now.
func resumed(p api.LogsParams, ago time.Duration) api.LogsParams {
	longer := func(value string) string {
		d, err := time.ParseDuration(value)
		if err != nil {
			return value
		}
		return (d + ago).String()
	}
	p.Since, p.Until = longer(p.Since), longer(p.Until)
	return p
}
