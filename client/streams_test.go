package client_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

func TestALogIsFollowedThroughCutConnectionsWithoutLossOrRepetition(t *testing.T) {
	j := journal{event: api.EventLogs, lines: 5000, piece: 7}
	var lost atomic.Int32
	c, p := serve(t, methods{"game/logs": func(ctx context.Context, call *rpc.Call) (any, error) {
		asked := decode[api.LogsParams](t, call)
		if asked.After != "" && (asked.Since != "" || !asked.Tail.IsZero()) {
			t.Errorf("after a cursor it asks for %+v", asked)
		}
		seq, err := j.follow(ctx, call, asked.After)
		return api.LogsResult{Seq: seq}, err
	}})
	c.OnLost = func(error) { lost.Add(1) }
	p.limit.Store(30_000)
	r := reader{journal: j}
	for out, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{Since: "1h", Tail: api.TailLines(10_000)}) {
		if err == nil {
			err = r.read(out)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.finish(t)
	if n := p.opened.Load(); n < 5 || lost.Load() != n-1 {
		t.Errorf("there were %d connections, of which %d were told to be lost", n, lost.Load())
	}
}

func TestABuildGoesOnThroughCutConnectionsWithoutLossOrRepetition(t *testing.T) {
	j := journal{event: api.EventBuild, lines: 3000, piece: 5, shared: true}
	c, p := serve(t, methods{"build": func(ctx context.Context, call *rpc.Call) (any, error) {
		seq, err := j.follow(ctx, call, decode[api.BuildParams](t, call).After)
		return api.Build{Name: "game", Commit: "c0ffee", Seq: seq}, err
	}})
	p.limit.Store(30_000)
	r := reader{journal: j}
	build, err := c.Build(t.Context(), api.BuildParams{Name: "game", URL: "https://example.com/game.git"}, func(out api.Output) {
		if err := r.read(out); err != nil {
			t.Error(err)
		}
	})
	if err != nil || build.Commit != "c0ffee" {
		t.Errorf("the build is %+v, %v", build, err)
	}
	r.finish(t)
	if n := p.opened.Load(); n < 4 {
		t.Errorf("there were only %d connections", n)
	}
}

func TestABuildThatTheDaemonNoLongerHasIsNotFound(t *testing.T) {
	var p *proxy
	c, p := serve(t, methods{"build": func(ctx context.Context, call *rpc.Call) (any, error) {
		if decode[api.BuildParams](t, call).After != "" {
			return nil, &rpc.Error{Code: int(api.CodeNotFound), Message: "Not found: no build has this cursor"}
		}
		if _, err := (journal{event: api.EventBuild, lines: 1, piece: 1}).follow(ctx, call, ""); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	_, err := c.Build(t.Context(), api.BuildParams{}, func(api.Output) { p.cut() })
	if !errors.Is(err, api.CodeNotFound) {
		t.Errorf("the error is %v", err)
	}
}

func TestABuildThatIsTakenUpAgainStartsAtItsCursor(t *testing.T) {
	j := journal{event: api.EventBuild, lines: 9, piece: 2, shared: true}
	c, _ := serve(t, methods{"build": func(ctx context.Context, call *rpc.Call) (any, error) {
		seq, err := j.follow(ctx, call, decode[api.BuildParams](t, call).After)
		return api.Build{Seq: seq}, err
	}})
	for cursor, want := range map[string]int{"": 9, "4": 5, "9": 0} {
		lines := 0
		_, err := c.Build(t.Context(), api.BuildParams{After: cursor}, func(out api.Output) { lines += len(out.Lines) })
		if err != nil || lines != want {
			t.Errorf("after %q came %d lines, %v; want %d", cursor, lines, err, want)
		}
	}
}

func TestASlowConsumerOfALogGetsEveryLine(t *testing.T) {
	j := journal{event: api.EventLogs, lines: 120_000, piece: 500}
	var streams atomic.Int32
	overrun := make(chan struct{}) // more has come than may wait
	c, _ := serve(t, methods{"game/logs": func(ctx context.Context, call *rpc.Call) (any, error) {
		if streams.Add(1) == 1 {
			defer close(overrun)
		}
		seq, err := j.follow(ctx, call, decode[api.LogsParams](t, call).After)
		return api.LogsResult{Seq: seq}, err
	}})
	c.OnLost = func(err error) { t.Errorf("the connection is lost: %v", err) }
	r := reader{journal: j}
	for out, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		if err == nil {
			err = r.read(out)
		}
		if err != nil {
			t.Fatal(err)
		}
		<-overrun
	}
	r.finish(t)
	if streams.Load() < 2 {
		t.Error("nothing was too much for it")
	}
}

func TestASlowConsumerOfABuildDoesNotCancelIt(t *testing.T) {
	j := journal{event: api.EventBuild, lines: 120_000, piece: 500, shared: true}
	sent := make(chan struct{})
	c, _ := serve(t, methods{"build": func(ctx context.Context, call *rpc.Call) (any, error) {
		defer close(sent)
		seq, err := j.follow(ctx, call, "")
		return api.Build{Seq: seq}, err
	}})
	r := reader{journal: j}
	_, err := c.Build(t.Context(), api.BuildParams{}, func(out api.Output) {
		<-sent
		if err := r.read(out); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	r.finish(t)
}

func TestALoopThatBreaksCancelsItsStream(t *testing.T) {
	cancelled := make(chan struct{})
	endless := func(event any, method string) func(context.Context, *rpc.Call) (any, error) {
		return func(ctx context.Context, call *rpc.Call) (any, error) {
			if err := notify(ctx, call, method, event); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			cancelled <- struct{}{}
			return nil, ctx.Err()
		}
	}
	c, _ := serve(t, methods{
		"game/logs": endless(api.Output{Seq: 1, Lines: []api.Line{{Text: "x"}}}, api.EventLogs),
		"game/top":  endless(api.TopOutput{Seq: 1, Usage: api.Usage{Name: "game", Pids: 3}}, api.EventTop),
		"list":      endless(api.ListOutput{Seq: 1, Containers: []api.Container{{Name: "game"}}}, api.EventList),
	})
	for out, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		if err != nil || len(out.Lines) != 1 {
			t.Errorf("a log gives %+v, %v", out, err)
		}
		break
	}
	soon(t, "the cancel of a log", cancelled)
	for out, err := range c.FollowTop(t.Context(), "game", api.TopParams{}) {
		if err != nil || out.Usage.Pids != 3 {
			t.Errorf("usage gives %+v, %v", out, err)
		}
		break
	}
	soon(t, "the cancel of usage", cancelled)
	for out, err := range c.FollowList(t.Context()) {
		if err != nil || len(out.Containers) != 1 {
			t.Errorf("a list gives %+v, %v", out, err)
		}
		break
	}
	soon(t, "the cancel of a list", cancelled)
}

func TestAListTellsWhatWasRemovedWhileTheConnectionWasBroken(t *testing.T) {
	a, b := api.Container{Name: "a", State: api.StateRunning}, api.Container{Name: "b", State: api.StateRunning}
	var p *proxy
	var streams, asked atomic.Int32
	c, p := serve(t, methods{"list": func(ctx context.Context, call *rpc.Call) (any, error) {
		there := []api.Container{a, b}
		if streams.Load() > 0 {
			there = there[:1]
		}
		if !decode[api.ListParams](t, call).Follow {
			if asked.Add(1) == 1 { // it is asked again, and what was not told is not counted
				return nil, &rpc.Error{Code: int(api.CodeUnavailable), Message: "Engine unavailable: it is away"}
			}
			return there, nil
		}
		streams.Add(1)
		if err := notify(ctx, call, api.EventList, api.ListOutput{Seq: int64(len(there)), Containers: there}); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	var seen []string
	var seq int64
	for out, err := range c.FollowList(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seen, seq = append(seen, states(out.Containers)), out.Seq
		if len(seen) == 2 {
			break
		}
		p.cut()
	}
	if want := []string{"a running, b running", "a running, b removed"}; !slices.Equal(seen, want) || seq != 4 {
		t.Errorf("saw %q, up to %d", seen, seq)
	}
}

func TestAFollowWaitsForAnEngineThatIsAwayOnceItHasBegun(t *testing.T) {
	var p *proxy
	var calls atomic.Int32
	away := &rpc.Error{Code: int(api.CodeUnavailable), Message: "Engine unavailable: it is away"}
	c, p := serve(t, methods{"game/logs": func(ctx context.Context, call *rpc.Call) (any, error) {
		switch calls.Add(1) {
		case 1:
			p.cut()
			<-ctx.Done()
			return nil, ctx.Err()
		case 2, 4:
			return nil, away
		}
		return api.LogsResult{}, nil
	}})
	for _, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		t.Errorf("a follow that had begun: %v", err)
	}
	var last error
	for _, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		last = err
	}
	if !errors.Is(last, api.CodeUnavailable) {
		t.Errorf("a follow that had not begun: %v", last)
	}
}

func TestAStreamThatDoesNotAddUpIsAnError(t *testing.T) {
	c, _ := serve(t, methods{
		"game/logs": func(ctx context.Context, call *rpc.Call) (any, error) {
			err := notify(ctx, call, api.EventLogs, api.Output{Seq: 2, Lines: []api.Line{{Text: "x"}}})
			<-ctx.Done()
			return nil, err
		},
		"build": func(context.Context, *rpc.Call) (any, error) { return api.Build{Seq: 3}, nil },
	})
	var last error
	for _, err := range c.FollowLogs(t.Context(), "game", api.LogsParams{}) {
		last = err
	}
	if !errors.Is(last, client.ErrIncomplete) {
		t.Errorf("a line that was lost: %v", last)
	}
	if _, err := c.Build(t.Context(), api.BuildParams{}, nil); !errors.Is(err, client.ErrIncomplete) {
		t.Errorf("lines that were lost at the end: %v", err)
	}
}
