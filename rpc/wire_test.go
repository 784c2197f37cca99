package rpc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// wireMethods are what the scripts in testdata call.
var wireMethods = table{
	"subtract":     subtract,
	"sum":          sum,
	"get_data":     func(context.Context, *Call) (any, error) { return []any{"hello", 5}, nil },
	"update":       nothing,
	"notify_hello": nothing,
	"notify_sum":   nothing,
	"echo":         echo,
	"method":       func(_ context.Context, call *Call) (any, error) { return call.Method(), nil },
	"text":         func(context.Context, *Call) (any, error) { return "<a href=\"x\">&</a>\u2028", nil },
	"empty":        func(context.Context, *Call) (any, error) { return json.RawMessage{}, nil },
	"raw":          func(context.Context, *Call) (any, error) { return json.RawMessage(`{ "b":1, "a":"\u003c" }`), nil },
	"typed":        func(context.Context, *Call) (any, error) { return struct{ B, A int }{1, 2}, nil },
	"nan":          func(context.Context, *Call) (any, error) { return func() {}, nil },
	"plain":        func(context.Context, *Call) (any, error) { return nil, errors.New("a secret") },
	"conflict": func(context.Context, *Call) (any, error) {
		return "x", &Error{-32002, "Conflict: <taken>", map[string]any{"kind": "name"}}
	},
	"bare":   func(context.Context, *Call) (any, error) { return nil, &Error{Code: 7, Message: "seven"} },
	"panics": func(context.Context, *Call) (any, error) { panic("a secret") },
	"exits":  func(context.Context, *Call) (any, error) { runtime.Goexit(); return nil, nil },
	"hang":   waitForEnd,
	"count~": count,
}

func nothing(context.Context, *Call) (any, error) { return nil, nil }

func subtract(_ context.Context, call *Call) (any, error) {
	var p struct {
		Minuend    int `json:"minuend"`
		Subtrahend int `json:"subtrahend"`
	}
	if err := DecodeParams(call.Params(), &p); err != nil {
		return nil, err
	}
	return p.Minuend - p.Subtrahend, nil
}

func sum(_ context.Context, call *Call) (any, error) {
	var numbers []int
	if err := json.Unmarshal(call.Params(), &numbers); err != nil {
		return nil, InvalidParams("params", "numbers are wanted")
	}
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total, nil
}

// count sends as many notifications as it is told.
func count(ctx context.Context, call *Call) (any, error) {
	var p struct {
		N int `json:"n"`
	}
	if err := DecodeParams(call.Params(), &p); err != nil {
		return nil, err
	}
	for i := range p.N {
		if err := call.Notify(ctx, "count/output", []byte(`"seq":`+string('1'+rune(i)))); err != nil {
			return nil, err
		}
	}
	return p.N, nil
}

// TestWire plays the scripts of testdata on one connection: a line with --> is
// sent, one with <-- must be the next frame received, one with <~~ one of the
// next, in any order; # begins a comment. A script ends with a call of its own,
// so that a frame too many shows.
func TestWire(t *testing.T) {
	s := serve(t, &Options{MaxBatch: 10, MaxDepth: 16}, wireMethods)
	p := s.dial(t)
	scripts, err := filepath.Glob("testdata/*.wire")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts in testdata", err)
	}
	cases := 0
	for _, script := range scripts {
		t.Run(filepath.Base(script), func(t *testing.T) {
			cases += play(&peer{t, p.Conn}, script)
		})
	}
	t.Logf("%d frames sent", cases)
}

func play(p *peer, script string) (sent int) {
	file, err := os.Open(script)
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	var want []string // that may come in any order
	for number := 1; lines.Scan(); number++ {
		kind, text, _ := strings.Cut(lines.Text(), " ")
		if kind != "<~~" && len(want) > 0 {
			p.expectAll(want)
			want = nil
		}
		switch kind {
		case "-->", "-->b", "-->x":
			sent++
			p.sendScripted(kind, text)
		case "<--":
			if got := p.receive(); got != text {
				p.t.Fatalf("%s:%d: received\n     %s\nwant %s", script, number, got, text)
			}
		case "<~~":
			want = append(want, text)
		}
	}
	p.send(`{"jsonrpc":"2.0","id":"end","method":"get_data"}`)
	p.expect(`{"jsonrpc":"2.0","id":"end","result":["hello",5]}`)
	return sent
}

// sendScripted sends a line: as it is; with b in a binary frame; with x after
// its escapes \xNN have become bytes.
func (p *peer) sendScripted(kind, text string) {
	frame := websocket.TextMessage
	switch kind {
	case "-->b":
		frame = websocket.BinaryMessage
	case "-->x":
		text = strings.NewReplacer(`\xff`, "\xff", `\xc0\x80`, "\xc0\x80", `\xed\xa0\x80`, "\xed\xa0\x80", `\x00`, "\x00", `\x0a`, "\n", `\x09`, "\t", `\xef\xbb\xbf`, "\xef\xbb\xbf").Replace(text)
	}
	if err := p.WriteMessage(frame, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) expectAll(want []string) {
	p.t.Helper()
	var got []string
	for range want {
		got = append(got, p.receive())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.t.Fatalf("received\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
