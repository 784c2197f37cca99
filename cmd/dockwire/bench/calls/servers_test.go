package calls

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/dockwire/dockwire/rpc"
	geth "github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
	"github.com/sourcegraph/jsonrpc2"
	sourcegraph "github.com/sourcegraph/jsonrpc2/websocket"
)

// server is one of those that are compared. Each subtracts two numbers, and
// sends notifications of one line without end.
type server struct {
	name    string
	handler http.Handler
	request string
	follow  string // the request for the notifications
	batches bool
}

const (
	subtract = `{"jsonrpc":"2.0","id":12345,"method":"math_subtract","params":[42,23]}`
	follow   = `{"jsonrpc":"2.0","id":12345,"method":"math_follow"}`
)

func servers() []server {
	return []server{
		{"dockwire", dockwire(), subtract, follow, true},
		{"sourcegraph", plain(), subtract, follow, false}, // a batch closes its connection
		{"go-ethereum", ethereum(), subtract, `{"jsonrpc":"2.0","id":12345,"method":"math_subscribe","params":["lines"]}`, true},
		{"gorilla", echo(), `{"jsonrpc":"2.0","id":12345,"result":19}`, follow, false},
	}
}

// line is what a notification carries.
type line struct {
	Time   string `json:"time"`
	Stream string `json:"stream"`
	Text   string `json:"text"`
}

var aLine = line{"2026-01-02T03:04:05.000000000Z", "stdout", "a line of a log, of usual length, as apps write them"}

// aList is a result of the size that a list of a hundred containers has, which is
// JSON already.
var aList = json.RawMessage("[" + strings.Repeat(aContainer+",", 99) + aContainer + "]")

const (
	aContainer = `{"name":"gamebackend","id":"b580d76ce2347b764b9cf1962a40753729c4a452c334c4bfead09447eebafea2","image":"gamebackendv3","state":"running","health":"healthy","exitCode":0,"restarts":0,"oomKilled":false,` +
		`"created":"2026-01-02T03:04:05.000000001Z","started":"2026-01-02T03:04:05.000000002Z","finished":null,"domain":"gamebackend.localhost","url":"http://gamebackend.localhost:8420/","port":8080,"commit":"0123456789abcdef0123456789abcdef01234567"}`
	list = `{"jsonrpc":"2.0","id":12345,"method":"math_list"}`
)

// numbers are the params of subtract.
type numbers struct {
	Minuend    int `json:"minuend"`
	Subtrahend int `json:"subtrahend"`
}

// handler serves dockwire's calls as its daemon does: it decodes in Accept.
type handler struct{}

func (handler) Accept(call *rpc.Call) (rpc.Job, error) {
	switch call.Method() {
	case "math_list":
		return rpc.Job{Run: func(context.Context) (any, error) { return aList, nil }}, nil
	case "math_follow":
		return rpc.Job{Stream: true, Run: func(ctx context.Context) (any, error) { return nil, send(ctx, call) }}, nil
	}
	var n numbers
	if err := rpc.DecodeParams(call.Params(), &n); err != nil {
		return rpc.Job{}, err
	}
	return rpc.Job{Run: func(context.Context) (any, error) { return n.Minuend - n.Subtrahend, nil }}, nil
}

func send(ctx context.Context, call *rpc.Call) error {
	for {
		members, err := json.Marshal(aLine)
		if err != nil {
			return err
		}
		if err := call.Notify(ctx, "math/line", members[1:len(members)-1]); err != nil {
			return err
		}
	}
}

func dockwire() http.Handler {
	s := rpc.NewServer(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, handler{}) })
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// plain is the sourcegraph library as its documentation shows it.
func plain() http.Handler {
	h := jsonrpc2.AsyncHandler(jsonrpc2.HandlerWithError(func(ctx context.Context, conn *jsonrpc2.Conn, r *jsonrpc2.Request) (any, error) {
		if r.Method == "math_list" {
			return aList, nil
		}
		for r.Method == "math_follow" {
			if err := conn.Notify(ctx, "math/line", aLine); err != nil {
				return nil, err
			}
		}
		var n []int
		if err := json.Unmarshal(*r.Params, &n); err != nil || len(n) != 2 {
			return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: "Invalid params"}
		}
		return n[0] - n[1], nil
	}))
	upgrader := new(websocket.Upgrader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		<-jsonrpc2.NewConn(r.Context(), sourcegraph.NewObjectStream(ws), h, jsonrpc2.SetLogger(silent{})).DisconnectNotify()
	})
}

// Math is go-ethereum's service.
type Math struct{}

// Subtract is called math_subtract.
func (Math) Subtract(minuend, subtrahend int) int { return minuend - subtrahend }

// List is called math_list.
func (Math) List() json.RawMessage { return aList }

// Lines is subscribed to with math_subscribe.
func (Math) Lines(ctx context.Context) (*geth.Subscription, error) {
	notifier, _ := geth.NotifierFromContext(ctx)
	subscription := notifier.CreateSubscription()
	go func() {
		for notifier.Notify(subscription.ID, aLine) == nil {
		}
	}()
	return subscription, nil
}

func ethereum() http.Handler {
	s := geth.NewServer()
	if err := s.RegisterName("math", Math{}); err != nil {
		panic(err)
	}
	return s.WebsocketHandler([]string{"*"})
}

func echo() http.Handler {
	upgrader := new(websocket.Upgrader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			kind, text, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, text) != nil {
				return
			}
			for string(text) == follow {
				if ws.WriteJSON(aLine) != nil {
					return
				}
			}
		}
	})
}
