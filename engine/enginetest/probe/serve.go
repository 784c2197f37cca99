//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// answer is what serve answers to every other request, as JSON.
type answer struct {
	Method      string            `json:"method"`
	Host        string            `json:"host"`
	Path        string            `json:"path"`
	Remote      string            `json:"remote"`
	Headers     http.Header       `json:"headers"`
	Environment map[string]string `json:"environment"`
	Received    int64             `json:"received"`
}

// serve answers HTTP, after -delay, on -port, else $PORT, else 8080. With -lines
// it writes lines all the while.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	port := flags.String("port", first(nonEmpty(os.Getenv("PORT")), "8080"), "the port")
	delay := flags.Duration("delay", 0, "how long not to listen")
	every := flags.Duration("lines", 0, "write numbered lines, with this time between two; 0 for none")
	size := flags.String("size", "0", "pad each of these lines to so many bytes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *every > 0 {
		go lines([]string{"-every", every.String(), "-size", *size})
	}
	http.HandleFunc("/", echo)
	http.HandleFunc("/id", identify)
	http.HandleFunc("/slow/{for}", slow)
	http.HandleFunc("/stream/{n}", stream)
	http.HandleFunc("/size/{n}", zeroBytes)
	http.HandleFunc("/ws", echoMessages)
	time.Sleep(*delay)
	fmt.Println("serving on", *port)
	return http.ListenAndServe(":"+*port, nil)
}

func echo(w http.ResponseWriter, r *http.Request) {
	received, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/")); err == nil {
		w.WriteHeader(code)
	}
	json.NewEncoder(w).Encode(answer{
		Method:      r.Method,
		Host:        r.Host,
		Path:        r.URL.Path,
		Remote:      r.RemoteAddr,
		Headers:     r.Header,
		Environment: environment(),
		Received:    received,
	})
}

func identify(w http.ResponseWriter, _ *http.Request) {
	name, _ := os.Hostname()
	fmt.Fprint(w, name)
}

func slow(w http.ResponseWriter, r *http.Request) {
	wait, err := time.ParseDuration(r.PathValue("for"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	time.Sleep(wait)
	identify(w, r)
}

func stream(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("n"))
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range n {
		fmt.Fprintf(w, "data: %d\n\n", i)
		http.NewResponseController(w).Flush()
		time.Sleep(100 * time.Millisecond)
	}
}

func zeroBytes(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseInt(r.PathValue("n"), 10, 64)
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	io.CopyN(w, zeros{}, n)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// echoMessages sends back what comes over a WebSocket, until that is closed.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	ws, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			fmt.Println("websocket:", err)
			return
		}
		if ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func environment() map[string]string {
	all := map[string]string{}
	for _, pair := range os.Environ() {
		key, value, _ := strings.Cut(pair, "=")
		all[key] = value
	}
	return all
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
