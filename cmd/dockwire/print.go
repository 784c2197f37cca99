package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/dockwire/dockwire/client/api"
)

// printJSON prints one document on one line.
func (a *app) printJSON(v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(a.stdout, cleanJSON(buf.Bytes()))
	return err
}

// printf prints for people. Strings in args have to be clean.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

// answer prints a result: as JSON if that is wanted, else as human does.
func answer[T any](a *app, result T, err error, human func(T)) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(result)
	}
	human(result)
	return nil
}

// text makes the text of a line fit to be printed.
func (a *app) text(line api.Line) string {
	text := strings.TrimSuffix(line.Text, "\r")
	if a.plain() {
		return clean(withoutColors(text))
	}
	return cleanColored(text)
}

func (a *app) lines(w io.Writer, lines []api.Line) {
	for _, line := range lines {
		fmt.Fprintln(w, a.text(line))
	}
}

// The colours that we give ourselves.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	faint  = "2"
)

// paint colours clean text if w shows colours.
func (a *app) paint(w io.Writer, color, text string) string {
	if color == "" || text == "" || !a.colors(w) {
		return text
	}
	return "\x1b[" + color + "m" + text + reset
}

func size(bytes int64) string { return units.HumanSize(float64(bytes)) }

func memory(bytes int64) string { return units.BytesSize(float64(bytes)) }

func age(t api.Time) string {
	if t.IsZero() {
		return "-"
	}
	return units.HumanDuration(time.Since(t.Time)) + " ago"
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// short is the beginning of a commit or an id, as people read it.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
