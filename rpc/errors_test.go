package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// acceptFunc is a Handler of one function.
type acceptFunc func(*Call) (Job, error)

func (f acceptFunc) Accept(call *Call) (Job, error) { return f(call) }

func TestPanicsAreContainedAndReported(t *testing.T) {
	type report struct {
		method string
		err    string
		stack  bool
	}
	var mu sync.Mutex
	var reports []report
	opts := &Options{Internal: func(call *Call, err error, stack []byte) string {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, report{call.Method(), err.Error(), strings.Contains(string(stack), "errors_test.go")})
		return fmt.Sprint("ref", len(reports))
	}}
	s := serve(t, opts, acceptFunc(func(call *Call) (Job, error) {
		if call.Method() == "early" {
			panic("in Accept")
		}
		return Job{Run: func(context.Context) (any, error) { panic(errors.New("in Run")) }}, nil
	}))
	p := s.dial(t)
	for i, method := range []string{"early", "late"} {
		p.send(request(1, method, nil))
		p.expect(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error","data":{"ref":"ref%d"}}}`, i+1))
	}
	want := []report{{"early", "panic in early: in Accept", true}, {"late", "panic in late: in Run", true}}
	if fmt.Sprint(reports) != fmt.Sprint(want) {
		t.Errorf("reported %v", reports)
	}
}

func TestErrorsAreMappedInOnePlace(t *testing.T) {
	known, unknown := errors.New("known"), errors.New("unknown")
	told := 0
	opts := &Options{
		MapError: func(err error) *Error {
			if errors.Is(err, known) {
				return &Error{Code: -32001, Message: "Not found: x"}
			}
			return nil
		},
		Internal: func(_ *Call, err error, stack []byte) string {
			if told++; err != unknown || stack != nil {
				t.Errorf("Internal: %v, %s", err, stack)
			}
			return ""
		},
	}
	fails := func(err error) func(context.Context, *Call) (any, error) {
		return func(context.Context, *Call) (any, error) { return nil, err }
	}
	s := serve(t, opts, table{
		"known": fails(fmt.Errorf("wrapped: %w", known)), "unknown": fails(unknown), "typed": fails(fmt.Errorf("wrapped: %w", Cancelled())),
		"cancelled by itself": fails(fmt.Errorf("%w: %w", known, context.Canceled)),
	})
	p := s.dial(t)
	for method, want := range map[string]string{
		"known":               `{"code":-32001,"message":"Not found: x"}`,
		"unknown":             `{"code":-32603,"message":"Internal error"}`,
		"typed":               `{"code":-32800,"message":"Request cancelled"}`,
		"cancelled by itself": `{"code":-32001,"message":"Not found: x"}`,
	} {
		p.send(request(1, method, nil))
		p.expect(`{"jsonrpc":"2.0","id":1,"error":` + want + `}`)
	}
	if told != 1 {
		t.Errorf("Internal was called %d times", told)
	}
}

func TestDoneIsToldOfEveryCallOnce(t *testing.T) {
	done := make(chan string, 10)
	opts := &Options{MaxCalls: 1, Done: func(call *Call, err *Error, took time.Duration) {
		code := 0
		if err != nil {
			code = err.Code
		}
		if took <= 0 || took > patience {
			t.Errorf("%s took %v", call.Method(), took)
		}
		done <- fmt.Sprint(call.Method(), " ", code)
	}}
	running := make(chan struct{})
	s := serve(t, opts, table{"echo": echo, "hang": func(ctx context.Context, call *Call) (any, error) {
		close(running)
		return waitForEnd(ctx, call)
	}})
	p := s.dial(t)
	for _, step := range []struct{ send, want string }{
		{request(1, "echo", nil), "echo 0"},
		{request(1, "none", nil), "none -32601"},
		{`{"jsonrpc":"2.0","method":"echo"}`, "echo 0"},
		{request(1, "hang", nil), ""},
		{request(2, "echo", nil), "echo -32007"},
		{request(3, "$/cancelRequest", []int{9}), "$/cancelRequest 0"},
		{`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[1]}`, "$/cancelRequest 0"},
	} {
		p.send(step.send)
		if step.want == "" {
			received(t, running, "the call")
		} else if got := received(t, done, step.want); got != step.want {
			t.Errorf("%s: %s", step.send, got)
		}
		if step.want == "echo 0" {
			await(t, "its slot is free", func() bool { return s.Stats().Calls == 0 })
		}
	}
	if got := received(t, done, "the cancelled call"); got != "hang -32800" {
		t.Error(got)
	}
}

func TestCancelNeverOvertakesItsCall(t *testing.T) {
	s := serve(t, &Options{MaxCalls: 1000}, table{"hang": waitForEnd})
	p := s.dial(t)
	go func() {
		for i := range 500 {
			p.send(request(i, "hang", nil))
			p.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`, i))
		}
	}()
	for range 500 { // a cancel that came first would leave its call hanging
		if got := p.receive(); !strings.Contains(got, "-32800") {
			t.Fatal(got)
		}
	}
}

func TestCancelledCallMayStillSucceed(t *testing.T) {
	s := serve(t, nil, table{
		"result": func(ctx context.Context, _ *Call) (any, error) { <-ctx.Done(); return "done all the same", nil },
		"error": func(ctx context.Context, _ *Call) (any, error) {
			<-ctx.Done()
			return nil, &Error{-32800, "Request cancelled", map[string]int{"seq": 3}}
		},
	})
	p := s.dial(t)
	for method, want := range map[string]string{
		"result": `"result":"done all the same"`,
		"error":  `"error":{"code":-32800,"message":"Request cancelled","data":{"seq":3}}`,
	} {
		p.send(request(1, method, nil))
		p.send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[1]}`)
		p.expect(`{"jsonrpc":"2.0","id":1,` + want + `}`)
	}
}
