package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

// patience is how long a test waits for anything at all.
const patience = 60 * time.Second

// wire is a client that knows frames only: what it sends and receives is what
// the tests say, not what the Go client makes of it.
type wire struct {
	t    testing.TB
	conn *websocket.Conn

	mu    sync.Mutex // guards the fields below, the calls' outputs, and writing
	last  int        // id that was given
	calls map[int]*call
}

// call is a request that was sent, and what came for it.
type call struct {
	w        *wire
	id       int
	method   string
	outputs  []output      // notifications that came and were not looked at yet; guarded by w.mu
	arrived  chan struct{} // holds something when there may be outputs
	answered chan struct{} // closed by the answer, or by the end of the connection
	answer   frame
}

// frame is any message of the daemon.
type frame struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *api.Error
}

// output is a build/output or logs/output, and when it came.
type output struct {
	ID json.RawMessage `json:"id"`
	api.Output
	came time.Time
}

// connect opens a connection to the daemon, with its token.
func (d *daemon) connect(t testing.TB) *wire {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(d.url, http.Header{"Authorization": {"Bearer " + d.token}})
	if err != nil {
		t.Fatalf("connecting to %s: %v (%v)", d.url, err, resp)
	}
	return newWire(t, conn)
}

func newWire(t testing.TB, conn *websocket.Conn) *wire {
	w := &wire{t: t, conn: conn, calls: map[int]*call{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.read()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return w
}

// read hands each frame to the call that it belongs to, until the connection
// ends.
func (w *wire) read() {
	for {
		_, data, err := w.conn.ReadMessage()
		if err != nil {
			w.hangUp()
			return
		}
		var f frame
		if err := json.Unmarshal(data, &f); err != nil {
			w.t.Errorf("a frame is no JSON: %v: %.200s", err, data)
			continue
		}
		if f.Method == "" {
			w.take(f)
			continue
		}
		out := output{came: time.Now()}
		if err := json.Unmarshal(f.Params, &out); err != nil {
			w.t.Errorf("the params of %s are not as agreed: %v: %.200s", f.Method, err, data)
		}
		if c := w.find(out.ID); c != nil {
			c.put(out)
		}
	}
}

func (w *wire) take(f frame) {
	c := w.find(f.ID)
	if c == nil {
		w.t.Errorf("an answer to no call: %s %s %v", f.ID, f.Result, f.Error)
		return
	}
	w.mu.Lock()
	delete(w.calls, c.id)
	w.mu.Unlock()
	c.answer = f
	close(c.answered)
}

func (w *wire) find(raw json.RawMessage) *call {
	var id int
	if json.Unmarshal(raw, &id) != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[id]
}

func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		close(c.answered)
	}
	clear(w.calls)
}

// start sends a call and returns at once. params is an array, an object, or nil
// for none.
func (w *wire) start(method string, params any) *call {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	c := &call{w: w, id: w.last, method: method, arrived: make(chan struct{}, 1), answered: make(chan struct{})}
	w.calls[c.id] = c
	message := map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if err := w.conn.WriteJSON(message); err != nil {
		w.t.Fatalf("sending %s: %v", method, err)
	}
	return c
}

// cancel sends the notification that cancels the call.
func (c *call) cancel() {
	c.w.t.Helper()
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	message := map[string]any{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": map[string]any{"id": c.id}}
	if err := c.w.conn.WriteJSON(message); err != nil {
		c.w.t.Fatalf("cancelling %s: %v", c.method, err)
	}
}

// end waits for the answer.
func (c *call) end() frame {
	c.w.t.Helper()
	select {
	case <-c.answered:
	case <-time.After(patience):
		c.w.t.Fatalf("%s was not answered in %v", c.method, patience)
	}
	if c.answer.ID == nil {
		c.w.t.Fatalf("the connection ended before %s was answered", c.method)
	}
	return c.answer
}

func (c *call) put(out output) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.outputs = append(c.outputs, out)
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

func (c *call) pop() (out output, ok bool) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if len(c.outputs) == 0 {
		return output{}, false
	}
	out, c.outputs = c.outputs[0], c.outputs[1:]
	return out, true
}

// next waits for the next notification of the call; ok is false after the
// last.
func (c *call) next() (out output, ok bool) {
	c.w.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if out, ok := c.pop(); ok {
			return out, true
		}
		select {
		case <-c.arrived:
		case <-c.answered:
			return c.pop()
		case <-late.C:
			c.w.t.Fatalf("%s sent nothing more in %v", c.method, patience)
		}
	}
}

// until waits for a notification with a line that contains text.
func (c *call) until(text string) (output, api.Line) {
	c.w.t.Helper()
	for {
		out, ok := c.next()
		if !ok {
			c.w.t.Fatalf("%s ended without a line %q: %v", c.method, text, c.answer.Error)
		}
		for _, line := range out.Lines {
			if strings.Contains(line.Text, text) {
				return out, line
			}
		}
	}
}

// lines waits for the end and gives all lines that came.
func (c *call) lines() []api.Line {
	c.w.t.Helper()
	var all []api.Line
	for {
		out, ok := c.next()
		if !ok {
			return all
		}
		all = append(all, out.Lines...)
	}
}

// ask makes a call that has to succeed.
func ask[R any](w *wire, method string, params any) R {
	w.t.Helper()
	return result[R](w.start(method, params))
}

// result waits for the answer of a call that has to succeed.
func result[R any](c *call) R {
	c.w.t.Helper()
	answer := c.end()
	if answer.Error != nil {
		data, _ := json.Marshal(answer.Error.Data)
		c.w.t.Fatalf("%s failed: %v %s", c.method, answer.Error, data)
	}
	var r R
	if err := json.Unmarshal(answer.Result, &r); err != nil {
		c.w.t.Fatalf("the result of %s is not as agreed: %v: %s", c.method, err, answer.Result)
	}
	return r
}

// refused makes a call that has to fail with the code.
func refused(w *wire, code api.Code, method string, params any) *api.Error {
	w.t.Helper()
	answer := w.start(method, params).end()
	if answer.Error == nil || answer.Error.Code != code {
		w.t.Fatalf("%s %v: got %s, error %v, want %d", method, params, answer.Result, answer.Error, code)
	}
	return answer.Error
}
