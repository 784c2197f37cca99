package builder

import (
	"context"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/lines"
)

// steps makes lines of what the classic builder says, which are lines already,
// mixed with those of the program that runs.
type steps struct {
	line           func(stream, text string)
	labels         map[string]bool // the steps that only set our labels
	stdout, stderr *lines.Writer
	step           string                 // the current one
	container      string                 // in which it runs
	last           last                   // its last lines
	begins         func(container string) // is told of it; a program can name another in its output
}

func newSteps(labels map[string]string, line func(stream, text string)) *steps {
	s := &steps{line: line, labels: map[string]bool{}, begins: func(string) {}}
	for key, value := range labels {
		s.labels["LABEL "+key+"="+value] = true
	}
	s.stdout = lines.NewWriter(s.says)
	s.stderr = lines.NewWriter(func(text string) { s.output(api.Stderr, text) })
	return s
}

// The engine paints what a program writes to stderr red, and there is no other
// way to know it.
const red, plain = "\x1b[91m", "\x1b[0m"

func (s *steps) take(m message) error {
	text, isRed := strings.CutPrefix(m.Stream, red)
	switch {
	case isRed:
		_, _ = s.stderr.Write([]byte(strings.TrimSuffix(text, plain)))
	case m.Stream != "":
		_, _ = s.stdout.Write([]byte(m.Stream))
	case m.Status != "" && m.ID == "":
		s.output(api.Stdout, lines.Clean(m.Status))
	}
	return nil
}

var (
	stepLine    = regexp.MustCompile(`^Step \d+/\d+ : (.*)`)
	runningLine = regexp.MustCompile(`^ ---> Running in ([0-9a-f]{12})$`)
	noise       = regexp.MustCompile(`^ ---> [0-9a-f]{12}$|^Removing intermediate container |^ ---> Running in [0-9a-f]{12}$`)
)

// says takes a line of the builder's own or of a program's stdout.
func (s *steps) says(text string) {
	if found := stepLine.FindStringSubmatch(text); found != nil {
		s.step, s.container, s.last = found[1], "", nil
		if !s.labels[s.step] {
			s.line(api.Stdout, text)
		}
		return
	}
	if found := runningLine.FindStringSubmatch(text); found != nil {
		s.container = found[1]
		s.begins(s.container)
	}
	if !noise.MatchString(text) {
		s.output(api.Stdout, text)
	}
}

func (s *steps) output(stream, text string) {
	s.last.add(stream, text)
	s.line(stream, text)
}

func (s *steps) end() {
	s.stdout.Flush()
	s.stderr.Flush()
}

func (s *steps) failure(m message) *Failure {
	s.end()
	f := &Failure{Step: s.step, Message: m.Error.Message, Lines: s.last}
	if code := m.Error.Code; code != 0 {
		f.ExitCode = &code
	}
	return f
}

// await waits for the container of the step that ran: the engine stops and
// removes it once it sees that the request was dropped.
func (s *steps) await(cli *client.Client) {
	if s.container == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	gone, failed := cli.ContainerWait(ctx, s.container, container.WaitConditionRemoved)
	select {
	case <-gone:
	case <-failed:
	}
}
