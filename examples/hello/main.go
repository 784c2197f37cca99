// Command hello is a small web app to try dockwire with: it serves a page,
// writes a line for each request, and one now and then to show that it lives.
package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

//go:embed index.html
var source string

var page = template.Must(template.New("page").Parse(source))

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	go tick(time.Now())
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
		fmt.Printf("%v: bye\n", <-stop)
		os.Exit(0)
	}()
	fmt.Println("listening on port " + port)
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+port, http.HandlerFunc(serve)))
	os.Exit(1)
}

func tick(since time.Time) {
	for range time.Tick(2 * time.Second) {
		fmt.Printf("up for %v\n", time.Since(since).Round(time.Second))
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	fmt.Printf("%s %s for %s\n", r.Method, r.URL.Path, r.Host)
	host, _ := os.Hostname()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, map[string]string{"Container": host, "Domain": r.Host}); err != nil {
		fmt.Fprintln(os.Stderr, "the page was not sent:", err)
	}
}
