package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// What the readers of the README type, typed into wscat.
func TestTheMainJobTypedIntoWscat(t *testing.T) {
	d := startDaemon(t)
	w := openWscat(t, d)
	w.enter("")
	w.answer(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"`)

	w.enter(`{"jsonrpc":"2.0","id":1,"method":"build","params":["gamebackendv3","%s"]}`, repository(t, game))
	w.answer(`{"jsonrpc":"2.0","method":"build/output","params":{"id":1,`)
	w.answer(`{"jsonrpc":"2.0","id":1,"result":{"name":"gamebackendv3"`)

	w.enter(`{"jsonrpc":"2.0","id":2,"method":"create","params":["gamebackendv3","prodbackend"]}`)
	w.answer(`{"jsonrpc":"2.0","id":2,"result":{"name":"prodbackend"`)
	w.enter(`{"jsonrpc":"2.0","id":3,"method":"prodbackend/start"}`)
	w.answer(`{"jsonrpc":"2.0","id":3,"result":{"name":"prodbackend"`)

	w.enter(`{"jsonrpc":"2.0","id":4,"method":"prodbackend/logs","params":{"follow":true}}`)
	w.answer(`{"jsonrpc":"2.0","method":"logs/output","params":{"id":4,`)
	w.enter(`{"jsonrpc":"2.0","id":5,"method":"prodbackend/top"}`)
	w.answer(`{"jsonrpc":"2.0","id":5,"result":{"name":"prodbackend"`)

	w.enter(`{"jsonrpc":"2.0","id":6,"method":"remove","params":["prodbackend"]}`)
	w.answer(`{"jsonrpc":"2.0","id":6,"result":{"name":"prodbackend"`)
	w.enter(`{"jsonrpc":"2.0","id":7,"method":"prodbackend/start"}`)
	w.answer(`{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"`)
}

func TestAScriptOfWscatEndsWithItsAnswer(t *testing.T) {
	d := startDaemon(t)
	begin := time.Now()
	cmd := exec.Command("wscat", "-c", d.url+"/?close=idle", "-H", "Authorization: Bearer "+d.token,
		"-w", "600", "-x", `{"jsonrpc":"2.0","id":1,"method":"list"}`)
	keyboard, err := cmd.StdinPipe() // at the end of its input wscat ends, whatever it waits for
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	out, err := cmd.Output()
	var answer struct{ Result []api.Container }
	if err != nil || json.Unmarshal(out[max(0, bytes.IndexByte(out, '{')):], &answer) != nil || answer.Result == nil {
		t.Errorf("wscat ended with %v after %v and printed %q", err, time.Since(begin), out)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("the script took %v", took)
	}
}

// wscat is the program in a terminal of its own.
type wscat struct {
	t        *testing.T
	keyboard io.Writer
	screen   chan string // the lines that it shows
}

// openWscat opens a connection with wscat. What it shows is more than frames,
// so script gives it a terminal.
func openWscat(t *testing.T, d *daemon) *wscat {
	t.Helper()
	cmd := exec.Command("script", "--quiet", "--flush", "--command",
		fmt.Sprintf("wscat --no-color -c %s -H 'Authorization: Bearer %s'", d.url, d.token), "/dev/null")
	keyboard, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	display, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &wscat{t: t, keyboard: keyboard, screen: make(chan string, 1<<12)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.watch(display)
	}()
	t.Cleanup(func() {
		fmt.Fprint(keyboard, "\x03")
		keyboard.Close()
		<-ended
		cmd.Wait()
	})
	w.shows("Connected")
	return w
}

var escape = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]")

func (w *wscat) watch(display io.Reader) {
	defer close(w.screen)
	lines := bufio.NewScanner(display)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		for part := range strings.SplitSeq(escape.ReplaceAllString(lines.Text(), ""), "\r") {
			if part != "" {
				w.screen <- part
			}
		}
	}
}

// enter types a line.
func (w *wscat) enter(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.keyboard, format+"\r", args...); err != nil {
		w.t.Fatal(err)
	}
}

// answer waits for a frame that begins so.
func (w *wscat) answer(begin string) {
	w.t.Helper()
	w.shows("< " + begin)
}

// shows waits for a line that begins so.
func (w *wscat) shows(begin string) {
	w.t.Helper()
	late := time.After(patience)
	var seen []string
	for {
		select {
		case line, ok := <-w.screen:
			if !ok {
				w.t.Fatalf("wscat ended without %q; it showed %q", begin, seen)
			}
			if strings.HasPrefix(line, begin) {
				return
			}
			seen = append(seen, line)
		case <-late:
			w.t.Fatalf("wscat does not show %q; it showed %q", begin, seen)
		}
	}
}
