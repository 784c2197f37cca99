//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// answer is what serve answers to every request, as JSON.
type answer struct {
	Method      string            `json:"method"`
	Host        string            `json:"host"`
	Path        string            `json:"path"`
	Remote      string            `json:"remote"`
	Headers     http.Header       `json:"headers"`
	Environment map[string]string `json:"environment"`
}

// serve answers HTTP with what it was asked, on -port, else $PORT, else 8080.
// /status/CODE answers with that code.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	port := flags.String("port", first(nonEmpty(os.Getenv("PORT")), "8080"), "the port")
	if err := flags.Parse(args); err != nil {
		return err
	}
	http.HandleFunc("/", echo)
	fmt.Println("serving on", *port)
	return http.ListenAndServe(":"+*port, nil)
}

func echo(w http.ResponseWriter, r *http.Request) {
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
	})
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

// burn uses -percent of one core, in periods of 20 ms.
func burn(args []string) error {
	flags := flag.NewFlagSet("burn", flag.ExitOnError)
	percent := flags.Int("percent", 100, "of one core")
	if err := flags.Parse(args); err != nil {
		return err
	}
	const period = 20 * time.Millisecond
	busy := period * time.Duration(*percent) / 100
	fmt.Println("burning")
	for start := time.Now(); ; start = start.Add(period) {
		for time.Since(start) < busy {
		}
		time.Sleep(time.Until(start.Add(period)))
	}
}

// alloc holds so many bytes of memory, all of them touched.
func alloc(args []string) error {
	n, err := strconv.Atoi(first(args, "0"))
	if err != nil {
		return err
	}
	held := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		held[i] = 1
	}
	fmt.Println("allocated", n)
	wait()
	held[0]++
	return nil
}
