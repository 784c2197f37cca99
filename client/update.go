package client

import (
	"context"
	"encoding/json"

	"github.com/dockwire/dockwire/client/api"
)

// Update replaces a container by one of a newer image, and gives the new one. How
// it goes is told to progress, which may be nil, from the goroutine that called
// Update. An update that has begun goes on to its end though ctx ends or the
// connection breaks, which is ErrLost then.
func (c *Client) Update(ctx context.Context, name string, p api.UpdateParams, progress func(api.ProgressOutput)) (api.Container, error) {
	return c.exchange(ctx, name+"/update", p, progress)
}

// Rollback puts the container back that the last update replaced, in the way of
// Update. Another Rollback goes forward again.
func (c *Client) Rollback(ctx context.Context, name string, progress func(api.ProgressOutput)) (api.Container, error) {
	return c.exchange(ctx, name+"/rollback", api.NoParams{}, progress)
}

func (c *Client) exchange(ctx context.Context, method string, params any, progress func(api.ProgressOutput)) (result api.Container, err error) {
	var count counter
	take := decoded(func(out api.ProgressOutput) error {
		err := count.add(&out.Seq, int64(len(out.Lines)))
		if err == nil && progress != nil {
			progress(out)
		}
		return err
	})
	err = c.Call(ctx, method, params, &result, func(_ string, event json.RawMessage) error { return take(event) })
	return result, err
}
