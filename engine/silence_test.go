package engine

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// neverAnswers takes connections, and all that is sent, and says nothing.
func neverAnswers() (net.Conn, error) {
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	return ours, nil
}

// answersSome answers requests for paths that end so, and no other, with what is
// there for them, which may lack its end.
func answersSome(answers map[string]string) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			for in := bufio.NewReader(theirs); ; {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				io.WriteString(theirs, answers[path.Base(r.URL.Path)])
			}
		}()
		return ours, nil
	}
}

// engineAt gives an Engine that knows a container, web, that runs, and connects to
// its engine by dial. It is for a bubble of synctest, where the time that passes is
// the time that is waited.
func engineAt(t *testing.T, dial func() (net.Conn, error)) *Engine {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.WithVersion("1.41"), client.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
		return dial()
	}))
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(Config{Instance: "test", Base: "base", Log: zap.NewNop()}, cli)
	t.Cleanup(func() {
		e.lingering.close()
		e.Close()
	})
	e.info.Store(&system.Info{MemTotal: 1 << 30, NCPU: 2}) // of an earlier connect
	e.state.put(rec("web", testID, api.StateRunning))
	return e
}

func TestAnEngineThatIsAwayIsLookedForLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looked []time.Time
		e := engineAt(t, func() (net.Conn, error) {
			looked = append(looked, time.Now())
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		seen := slices.Clone(looked) // before it ends
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for i, want := 1, firstBackoff; i < len(seen); i, want = i+1, min(2*want, lastBackoff) {
			if got := seen[i].Sub(seen[i-1]); got != want {
				t.Errorf("look %d came %v after the one before, want %v", i+1, got, want)
			}
		}
		if len(seen) < 15 {
			t.Errorf("it was looked for only %d times", len(seen))
		}
	})
}

// questions are calls that are answered within two seconds, whatever becomes of
// the engine.
func (e *Engine) questions(ctx context.Context) map[string]func() error {
	return map[string]func() error{
		"check":   func() error { return e.Check(ctx) },
		"inspect": func() error { _, err := e.Inspect(ctx, "web", true); return err },
		"images":  func() error { _, err := e.Images(ctx); return err },
		"logs":    func() error { _, err := e.Logs(ctx, "web", api.LogsParams{}); return err },
		"top":     func() error { _, err := e.Top(ctx, "web"); return err },
		"diff":    func() error { _, err := e.Diff(ctx, "web", ""); return err },
		"start":   func() error { _, err := e.Start(ctx, "web"); return err },
		"stop":    func() error { _, err := e.Stop(ctx, "web", nil); return err },
		"restart": func() error { _, err := e.Restart(ctx, "web", nil); return err },
		"remove":  func() error { _, err := e.Remove(ctx, "web", true); return err },
		"create": func() error {
			_, err := e.Create(ctx, api.CreateParams{Image: "game", Name: "other"}, "")
			return err
		},
	}
}

// promised is what a caller is, but for the rest of its way.
const promised = 1900 * time.Millisecond

// Who calls while the engine is away waits for it to come back, but no longer
// than for an answer.
func TestAnEngineThatIsSilentOrAwayIsUnavailableInTwoSeconds(t *testing.T) {
	for what := range new(Engine).questions(t.Context()) {
		for how, up := range map[string]bool{"silent": true, "away": false} {
			t.Run(how+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := engineAt(t, neverAnswers)
					e.state.setUp(up)
					begin := time.Now()
					known := wantClass(t, e.questions(t.Context())[what](), Unavailable, "")
					if took := time.Since(begin); took > promised || known.Data.Outcome != api.OutcomeNone {
						t.Errorf("after %v: %+v", took, known)
					}
				})
			})
		}
	}
}

// Who begins to wait when the pulse is gone already, because the engine answered
// once more, is not forgotten until it is back.
func TestWhoWaitsForAnEngineThatIsLookedForLearnsThatItIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engineAt(t, neverAnswers)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		for range 10 {
			waiting, leave := e.untilSilent(ctx)
			begin := time.Now()
			select {
			case <-waiting.Done():
			case <-time.After(time.Minute):
				t.Fatal("it waits for ever")
			}
			leave()
			if took := time.Since(begin); took > lastBackoff+readTimeout {
				t.Errorf("it waited for %v", took)
			}
			time.Sleep(time.Second)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// They may be long under way. Nothing was to be done, so that nothing can be half
// done.
func TestWhoReadsLongFromAnEngineThatFallsSilentLearnsSo(t *testing.T) {
	dial := answersSome(map[string]string{
		"_ping": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"logs":  "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
	})
	for _, what := range []string{"diff", "logs"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := engineAt(t, dial)
				e.state.setUp(true)
				failed := make(chan error)
				go func() { failed <- e.questions(t.Context())[what]() }()
				time.Sleep(pulseTimeout)
				begin := time.Now()
				e.silence.fall()
				known := wantClass(t, <-failed, Unavailable, "web")
				if took := time.Since(begin); took > 0 || known.Data.Outcome != api.OutcomeNone {
					t.Errorf("after %v: %+v", took, known)
				}
			})
		})
	}
}
