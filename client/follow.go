package client

import (
	"context"
	"iter"

	"github.com/dockwire/dockwire/client/api"
)

// FollowTop gives what a container uses, every p.Interval, until it is removed.
// An error is the last of the sequence.
func (c *Client) FollowTop(ctx context.Context, name string, p api.TopParams) iter.Seq2[api.TopOutput, error] {
	p.Follow = true
	return sequence(func(emit func(api.TopOutput) error) error {
		var count counter
		return c.attempt(ctx, call{
			method: name + "/top",
			params: func() any {
				count.restart()
				return p
			},
			onEvent: decoded(func(out api.TopOutput) error {
				samples := out.Dropped
				if out.State == "" {
					samples++
				}
				if err := count.add(&out.Seq, samples); err != nil {
					return err
				}
				return emit(out)
			}),
			follow: true,
		})
	})
}

// FollowList gives all containers, and then those that change, until ctx ends.
// One that is gone has the state api.StateRemoved, also if that happened while
// the connection was broken; Gap is never set. An error is the last of the
// sequence.
func (c *Client) FollowList(ctx context.Context) iter.Seq2[api.ListOutput, error] {
	return sequence(func(emit func(api.ListOutput) error) error {
		var count counter
		var known roster
		return c.attempt(ctx, call{
			method: "list",
			params: func() any {
				count.restart()
				known.restart()
				return api.ListParams{Follow: true}
			},
			onEvent: decoded(func(out api.ListOutput) error {
				told := len(out.Containers)
				added, err := known.update(&out, func() ([]api.Container, error) { return c.List(ctx) })
				if err != nil {
					return err // not counted: it comes again
				}
				if err := count.add(&out.Seq, int64(told)); err != nil {
					return err
				}
				count.insert(&out.Seq, int64(added))
				return emit(out)
			}),
			follow: true,
		})
	})
}
