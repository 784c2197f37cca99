package client

import (
	"context"

	"github.com/dockwire/dockwire/client/api"
)

// Create makes a container of an image, and starts it unless p says not to.
func (c *Client) Create(ctx context.Context, p api.CreateParams) (api.Container, error) {
	return change[api.Container](ctx, c, "create", p)
}

// List gives all containers, by name.
func (c *Client) List(ctx context.Context) ([]api.Container, error) {
	return read[[]api.Container](ctx, c, "list", api.ListParams{})
}

// Images gives all images that the daemon built.
func (c *Client) Images(ctx context.Context) ([]api.Image, error) {
	return read[[]api.Image](ctx, c, "images", api.NoParams{})
}

// Remove removes a container, which may run, and gives it as it last was.
func (c *Client) Remove(ctx context.Context, p api.RemoveParams) (api.Container, error) {
	return change[api.Container](ctx, c, "remove", p)
}

// RemoveImage removes an image that no container uses, and gives it as it last
// was.
func (c *Client) RemoveImage(ctx context.Context, name string) (api.Image, error) {
	return change[api.Image](ctx, c, "removeImage", api.RemoveImageParams{Name: name})
}

// Builds gives the builds that the daemon knows, newest first.
func (c *Client) Builds(ctx context.Context) ([]api.BuildInfo, error) {
	return read[[]api.BuildInfo](ctx, c, "builds", api.NoParams{})
}

// CancelBuild stops a build for all who wait for it, and gives it as it ended.
func (c *Client) CancelBuild(ctx context.Context, id string) (api.BuildInfo, error) {
	return change[api.BuildInfo](ctx, c, "cancelBuild", api.CancelBuildParams{ID: id})
}

// Start starts a container. One that runs already is given as it is.
func (c *Client) Start(ctx context.Context, name string) (api.Container, error) {
	return change[api.Container](ctx, c, name+"/start", api.NoParams{})
}

// Stop stops a container. One that does not run is given as it is.
func (c *Client) Stop(ctx context.Context, name string, p api.StopParams) (api.Container, error) {
	return change[api.Container](ctx, c, name+"/stop", p)
}

// Restart stops a container, if it runs, and starts it.
func (c *Client) Restart(ctx context.Context, name string, p api.StopParams) (api.Container, error) {
	return change[api.Container](ctx, c, name+"/restart", p)
}

// Scale changes how many replicas of a container run, itself included, and gives it
// when they do. With 0 they are stopped.
func (c *Client) Scale(ctx context.Context, name string, replicas int) (api.Container, error) {
	return change[api.Container](ctx, c, name+"/scale", api.ScaleParams{Replicas: replicas})
}

// Inspect gives all that is known of a container.
func (c *Client) Inspect(ctx context.Context, name string) (api.Inspect, error) {
	return read[api.Inspect](ctx, c, name+"/inspect", api.NoParams{})
}

// Image gives the image of a container.
func (c *Client) Image(ctx context.Context, name string) (api.Image, error) {
	return read[api.Image](ctx, c, name+"/image", api.NoParams{})
}

// Diff gives the paths in which a container's file system differs from its
// image's.
func (c *Client) Diff(ctx context.Context, name string, p api.DiffParams) ([]api.Change, error) {
	return read[[]api.Change](ctx, c, name+"/diff", p)
}

// Top gives what a container uses now.
func (c *Client) Top(ctx context.Context, name string) (api.Usage, error) {
	return read[api.Usage](ctx, c, name+"/top", api.TopParams{})
}

// change makes a call that changes something: once.
func change[T any](ctx context.Context, c *Client, method string, params any) (result T, err error) {
	err = c.Call(ctx, method, params, &result, nil)
	return result, err
}

// read makes a call that can be repeated.
func read[T any](ctx context.Context, c *Client, method string, params any) (result T, err error) {
	err = c.attempt(ctx, call{
		method: method,
		params: func() any { return params },
		result: &result,
	})
	return result, err
}
