package client

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/dockwire/dockwire/client/api"
)

// Build builds an image from a git URL. Its output goes to output, which may be
// nil, from the goroutine that called Build and before Build returns; what comes
// while output is busy waits in memory. When ctx ends, the build is cancelled at
// the daemon, unless others wait for it too.
//
// A build outlives its connection: Build goes on with it on a new one.
func (c *Client) Build(ctx context.Context, p api.BuildParams, output func(api.Output)) (result api.Build, err error) {
	count := counter{midway: p.After != ""}
	consume := decoded(func(out api.Output) error {
		err := count.add(&out.Seq, out.Dropped+int64(len(out.Lines)))
		if err == nil && output != nil {
			output(out)
		}
		return err
	})
	var last json.RawMessage // the event that came last
	err = relay(ctx, consume, func(ctx context.Context, emit func(json.RawMessage)) error {
		return c.attempt(ctx, call{
			method: "build",
			params: func() any {
				p.After = cmp.Or(cursorOf(last), p.After)
				return p
			},
			result: &result,
			onEvent: func(event json.RawMessage) error {
				last = event
				emit(event)
				return nil
			},
		})
	})
	if err == nil {
		err = count.end(result.Seq)
	}
	return result, err
}

// cursorOf gives the cursor of an event; "" if it has none.
func cursorOf(event json.RawMessage) string {
	var at struct{ Cursor string }
	if json.Unmarshal(event, &at) != nil {
		return ""
	}
	return at.Cursor
}
