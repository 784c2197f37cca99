package ingress

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
)

// refusal is an answer of the ingress itself.
type refusal struct {
	status int
	reason string // a sentence without its full stop
}

func refuse(status int, reason string) *refusal { return &refusal{status, reason} }

// Error implements error.
func (r *refusal) Error() string { return r.reason }

// retryAfter is when a client may ask again, in seconds, if nothing serves the
// host at the moment.
const retryAfter = "5"

// refuse answers with a small page, in the form that the client takes.
func (x *exchange) refuse(r *refusal) {
	header := x.Header()
	contentType, write := pageFor(x.request)
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set(requestIDHeader, x.id)
	if r.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retryAfter)
	}
	x.WriteHeader(r.status)
	write(x, page{Status: r.status, Error: http.StatusText(r.status), Reason: r.reason + ".", Request: x.id})
}

// page is what is said.
type page struct {
	Status  int    `json:"status"`
	Error   string `json:"error"`
	Reason  string `json:"reason"`
	Request string `json:"request"` // its id, which the log has too
}

// pageFor chooses by what the client says that it takes. The first that is
// named counts; a browser names HTML.
func pageFor(r *http.Request) (contentType string, write func(io.Writer, page)) {
	for part := range strings.SplitSeq(strings.Join(r.Header["Accept"], ","), ",") {
		accepted, _, _ := strings.Cut(part, ";")
		switch strings.TrimSpace(accepted) {
		case "text/html":
			return "text/html; charset=utf-8", writeHTML
		case "application/json":
			return "application/json", writeJSON
		}
	}
	return "text/plain; charset=utf-8", writeText
}

func writeHTML(w io.Writer, p page) {
	title := fmt.Sprintf("%d %s", p.Status, p.Error)
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\">\n<title>%s</title>\n<h1>%s</h1>\n<p>%s</p>\n<p><small>Request %s</small></p>\n",
		title, title, html.EscapeString(p.Reason), p.Request)
}

func writeJSON(w io.Writer, p page) { json.NewEncoder(w).Encode(p) }

func writeText(w io.Writer, p page) {
	fmt.Fprintf(w, "%d %s: %s\nRequest %s\n", p.Status, p.Error, p.Reason, p.Request)
}
