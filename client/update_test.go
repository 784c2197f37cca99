package client_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

func TestAnUpdateTellsHowItGoes(t *testing.T) {
	c, _ := serve(t, methods{
		"web/update": func(ctx context.Context, call *rpc.Call) (any, error) {
			if want := `{"image":"game","environment":{}}`; string(call.Params()) != want {
				t.Errorf("the parameters are %s, want %s", call.Params(), want)
			}
			for _, members := range []string{`"name":"web","seq":2,"lines":[{"text":"one"},{"text":"two"}]`, `"name":"web","seq":3,"lines":[{"text":"three"}]`} {
				if err := call.Notify(ctx, api.EventUpdate, []byte(members)); err != nil {
					return nil, err
				}
			}
			return api.Container{Name: "web", ID: "new"}, nil
		},
		"web/rollback": func(ctx context.Context, call *rpc.Call) (any, error) {
			err := call.Notify(ctx, api.EventRollback, []byte(`"name":"web","seq":2,"lines":[{"text":"one"}]`))
			return api.Container{}, err
		},
	})
	told := ""
	container, err := c.Update(t.Context(), "web", api.UpdateParams{Image: "game", Environment: map[string]string{}}, func(out api.ProgressOutput) {
		for _, line := range out.Lines {
			told += line.Text + " "
		}
	})
	if err != nil || container.ID != "new" || told != "one two three " {
		t.Errorf("it gave %+v, %v, and told %q", container, err, told)
	}
	if _, err := c.Rollback(t.Context(), "web", nil); !errors.Is(err, client.ErrIncomplete) {
		t.Errorf("a line is missing, and it gave %v", err)
	}
}

func TestAnUpdateWhoseConnectionBreaksIsNotRepeated(t *testing.T) {
	var p *proxy
	var calls atomic.Int32
	c, p := serve(t, methods{"web/update": func(ctx context.Context, call *rpc.Call) (any, error) {
		calls.Add(1)
		err := call.Notify(ctx, api.EventUpdate, []byte(`"name":"web","seq":1,"lines":[{"text":"one"}]`))
		<-ctx.Done()
		return nil, err
	}})
	_, err := c.Update(t.Context(), "web", api.UpdateParams{}, func(api.ProgressOutput) { p.cut() })
	if !errors.Is(err, client.ErrLost) || calls.Load() != 1 {
		t.Errorf("it gave %v after %d calls", err, calls.Load())
	}
}
