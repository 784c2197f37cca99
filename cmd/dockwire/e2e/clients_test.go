package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// session is what each client is told to do, in JSON for those that are
// programs.
type session struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	Steps []step `json:"steps"`
}

// step is a frame to send, and the beginning of one to wait for.
type step struct {
	Send  string `json:"send"`
	Until string `json:"until"`
}

// transcript is what a client received.
type transcript struct {
	Frames []string `json:"frames"`
	Error  string   `json:"error"`
}

// Clients that others wrote do the same session and see the same.
func TestEveryClientSeesTheSameSession(t *testing.T) {
	d := startDaemon(t)
	for _, client := range []struct {
		name string
		play func(*testing.T, *daemon, session) transcript
	}{
		{"wscat of the distribution", func(t *testing.T, d *daemon, s session) transcript {
			t.Setenv("NODE_PATH", "/usr/share/nodejs") // for a node that is not the distribution's
			return playWscat(t, d, s, "/usr/bin")
		}},
		{"wscat of npm", func(t *testing.T, d *daemon, s session) transcript {
			return playWscat(t, d, s, "../../../.cache/bin")
		}},
		{"a page in a browser", playBrowser},
		{"Python", playPython},
	} {
		t.Run(client.name, func(t *testing.T) {
			s := session{d.url, d.token, theSession(repository(t, game))}
			got := client.play(t, d, s)
			if got.Error != "" {
				t.Errorf("after %q: %s", got.Frames, got.Error)
			}
			checkTranscript(t, got.Frames)
		})
	}
}

// theSession is the main job, with an error, a cancelled stream, and a frame
// that is no JSON.
func theSession(url string) []step {
	call := func(id, method, params string) step {
		return step{fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"%s","params":%s}`, id, method, params), answerTo(id)}
	}
	follow := func(id string) step {
		s := call(id, "prodbackend/logs", `{"follow":true}`)
		s.Until = fmt.Sprintf(`{"jsonrpc":"2.0","method":"logs/output","params":{"id":%s,`, id)
		return s
	}
	return []step{
		{`{"jsonrpc":"2.0","id":`, answerTo("null")},
		call("1", "build", fmt.Sprintf(`["gamebackendv3",%q]`, url)),
		call("2", "create", `["gamebackendv3","prodbackend",{"LEVEL":"7"}]`),
		call("3", "prodbackend/start", `[]`),
		follow(`"the log"`),
		follow("4.0"),
		{`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":4.0}}`, answerTo("4.0")},
		call("5", "prodbackend/top", `{}`),
		call("6", "create", `{"image":"gamebackendv3","name":"Prod_Backend"}`),
		call("7", "remove", `["prodbackend"]`),
		call("8", "prodbackend/start", `[]`),
		call("9", "removeImage", `["gamebackendv3"]`),
	}
}

func answerTo(id string) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,`, id) }

// checkTranscript looks at what a client received in theSession.
func checkTranscript(t *testing.T, frames []string) {
	t.Helper()
	answers := map[string]frame{}
	seqs := map[string]int64{}
	texts := map[string]string{}
	for _, text := range frames {
		var f frame
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatalf("a frame is no JSON: %v: %q", err, text)
		}
		id := string(f.ID)
		var out output
		if f.Method != "" {
			if err := json.Unmarshal(f.Params, &out); err != nil {
				t.Fatalf("%v: %q", err, text)
			}
			id = string(out.ID)
			if seqs[id] += int64(len(out.Lines)); out.Seq != seqs[id] {
				t.Errorf("the seq of %s is %d, want %d", id, out.Seq, seqs[id])
			}
			for _, line := range out.Lines {
				texts[id] += line.Text + "\n"
			}
		}
		if _, ended := answers[id]; ended {
			t.Errorf("%s came after the answer to %s", text, id)
		}
		if f.Method == "" {
			answers[id] = f
		}
	}
	checkAnswers(t, answers, seqs)
	for id, want := range map[string]string{"1": "compiled the game\n", `"the log"`: "level 7\n", "4.0": "level 7\n"} {
		if !strings.Contains(texts[id], want) {
			t.Errorf("the stream %s has %q, want %q in it", id, texts[id], want)
		}
	}
}

func checkAnswers(t *testing.T, answers map[string]frame, seqs map[string]int64) {
	t.Helper()
	for id, want := range map[string]api.Code{
		"null": api.CodeParseError, "1": 0, "2": 0, "3": 0, `"the log"`: 0, "4.0": api.CodeCancelled,
		"5": 0, "6": api.CodeInvalidParams, "7": 0, "8": api.CodeMethodNotFound, "9": 0,
	} {
		answer, ok := answers[id]
		switch got := answer.Error; {
		case !ok:
			t.Errorf("%s was not answered", id)
		case want == 0 && got != nil, want != 0 && (got == nil || got.Code != want || got.Message != want.Error()):
			t.Errorf("%s was answered with %s, error %v, want %d", id, answer.Result, got, want)
		}
	}
	if len(answers) != 11 {
		t.Errorf("there are %d answers, want 11", len(answers))
	}
	for id, seq := range seqs {
		var end struct{ Seq int64 }
		if e := answers[id].Error; e != nil && e.Data != nil && e.Data.Seq != nil {
			end.Seq = *e.Data.Seq
		} else if err := json.Unmarshal(answers[id].Result, &end); err != nil {
			t.Errorf("the answer to %s: %v", id, err)
		}
		if end.Seq != seq {
			t.Errorf("%s ended with the seq %d, want %d", id, end.Seq, seq)
		}
	}
	for id, state := range map[string]string{"2": api.StateRunning, "3": api.StateRunning, "7": api.StateRemoved} {
		var c api.Container
		if err := json.Unmarshal(answers[id].Result, &c); err != nil || c.State != state || c.Name != "prodbackend" {
			t.Errorf("%s was answered with %s, want the state %s", id, answers[id].Result, state)
		}
	}
}

// playWscat types the session into the wscat that is in the directory.
func playWscat(t *testing.T, d *daemon, s session, dir string) (got transcript) {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	version, err := exec.Command(filepath.Join(dir, "wscat"), "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("the wscat in %s does not run; make tools installs it: %v\n%s", dir, err, version)
	}
	t.Logf("wscat %s", bytes.TrimSpace(version))
	w := openWscat(t, d)
	late := time.After(2 * patience)
	for _, step := range s.Steps {
		w.enter("%s", step.Send)
		for !got.has(step.Until) {
			select {
			case line, ok := <-w.screen:
				if !ok {
					t.Fatalf("wscat ended; it showed %q", got.Frames)
				}
				if frame, ok := strings.CutPrefix(line, "< "); ok {
					got.Frames = append(got.Frames, frame)
				}
			case <-late:
				t.Fatalf("wscat does not show %q; it showed %q", step.Until, got.Frames)
			}
		}
	}
	return got
}

func (t *transcript) has(begin string) bool {
	for _, frame := range t.Frames {
		if strings.HasPrefix(frame, begin) {
			return true
		}
	}
	return false
}

// playBrowser serves a page that plays the session, and opens it in Chromium.
func playBrowser(t *testing.T, _ *daemon, s session) (got transcript) {
	t.Helper()
	posted := make(chan transcript, 1)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir("testdata")))
	mux.HandleFunc("GET /session.json", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(s) })
	mux.HandleFunc("POST /transcript", func(_ http.ResponseWriter, r *http.Request) {
		var got transcript
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			got.Error = err.Error()
		}
		posted <- got
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	said := openChromium(t, "http://localhost:"+port+"/session.html")
	select {
	case got := <-posted:
		return got
	case <-time.After(2 * patience):
		t.Fatalf("the page tells nothing; Chromium says:\n%s", said())
	}
	return got
}

// openChromium opens a page, with a profile of its own, until the test ends.
// said gives what the browser has written once it is closed.
func openChromium(t *testing.T, url string) (said func() string) {
	t.Helper()
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+profile, url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		t.Fatalf("the test needs Chromium, which make tools installs: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	end := func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	t.Cleanup(func() {
		end()
		if err := os.RemoveAll(profile); err != nil {
			t.Error(err)
		}
	})
	return func() string {
		end()
		return words.String()
	}
}

// playPython plays the session with the distribution's Python.
func playPython(t *testing.T, _ *daemon, s session) (got transcript) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "testdata/session.py")
	script, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(script)
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		errors.As(err, &failed)
		t.Fatalf("Python, with its package websockets, which make tools installs: %v %s", err, failed.Stderr)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
