package faults_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// faulty gives a Proxy before a server that answers a hundred lines, and the
// URL of the Proxy.
func faulty(t *testing.T) (*faults.Proxy, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("a line\n", 100))
	}))
	t.Cleanup(server.Close)
	p := faults.New(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return p, front.URL
}

func get(t *testing.T, url string) (status, lines int, err error) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.Count(string(body), "\n"), err
}

func TestARuleHitsTheRequestsThatItNames(t *testing.T) {
	p, url := faulty(t)
	p.Inject(1, faults.Rule{Match: regexp.MustCompile(`^GET /containers/json`), Skip: 1, Times: 2, Fail: true})
	for i, want := range []int{200, 500, 500, 200} {
		if status, _, err := get(t, url+"/v1.41/containers/json?all=1"); status != want || err != nil {
			t.Errorf("request %d was answered with %d (%v), want %d", i, status, err, want)
		}
		if status, _, err := get(t, url+"/v1.41/images/json"); status != 200 || err != nil {
			t.Errorf("another was answered with %d (%v)", status, err)
		}
	}
}

func TestARuleBreaksAnAnswer(t *testing.T) {
	p, url := faulty(t)
	var before, after int
	for _, rule := range []faults.Rule{
		{Lose: true},
		{Cut: true},
		{Truncate: 70},
	} {
		rule.Before, rule.After = func() { before++ }, func() { after++ }
		p.Inject(1, rule)
		_, lines, err := get(t, url)
		if want := int(rule.Truncate / 7); err == nil || lines != want {
			t.Errorf("%+v let %d lines through (%v), want %d", rule, lines, err, want)
		}
	}
	if before != 3 || after != 2 {
		t.Errorf("there were %d calls before and %d after, want 3 and 2", before, after)
	}
	p.Inject(1)
	if status, lines, err := get(t, url); status != 200 || lines != 100 || err != nil {
		t.Errorf("without rules the answer is %d with %d lines (%v)", status, lines, err)
	}
}

func TestARuleLetsAnAnswerFallSilent(t *testing.T) {
	p, url := faulty(t)
	p.Inject(1, faults.Rule{Stall: 70})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if part, err := io.ReadAll(io.LimitReader(resp.Body, 70)); len(part) != 70 || err != nil {
		t.Fatalf("%d bytes came (%v)", len(part), err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(resp.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("it does not stay: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestTheSameSeedLosesAndRepeatsTheSameLines(t *testing.T) {
	p, url := faulty(t)
	count := func(seed uint64, rule faults.Rule) int {
		p.Inject(seed, rule)
		_, lines, err := get(t, url)
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	if some := count(1, faults.Rule{Drop: 0.3}); some < 50 || some > 85 || some != count(1, faults.Rule{Drop: 0.3}) {
		t.Errorf("30 %% of 100 lines dropped leave %d", some)
	}
	if some := count(1, faults.Rule{Double: 0.3}); some < 115 || some > 150 {
		t.Errorf("30 %% of 100 lines doubled give %d", some)
	}
}
