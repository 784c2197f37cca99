package builder

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/client"
	"github.com/docker/go-units"
	control "github.com/moby/buildkit/api/services/control"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/lines"
)

// progress makes lines of BuildKit's trace. Steps run side by side, so before
// the lines of another step than the last one its name is said again.
type progress struct {
	line     func(stream, text string)
	args     map[string]string // of the build; their values are not said
	steps    map[string]*step  // by digest
	order    []*step           // as they appeared
	speaking *step             // whose lines came last
	last     last
}

// step is what BuildKit calls a vertex.
type step struct {
	name           string
	internal       bool // of no interest unless it writes
	begun, ended   bool
	err            string
	statuses       map[string]bool // those that are shown, by id
	stdout, stderr *lines.Writer
	last           last
}

func newProgress(line func(stream, text string)) *progress {
	return &progress{line: line, steps: map[string]*step{}}
}

const traceID = "moby.buildkit.trace"

func (p *progress) take(m message) error {
	if m.ID != traceID {
		return nil
	}
	var data []byte
	if err := json.Unmarshal(m.Aux, &data); err != nil {
		return fmt.Errorf("the engine's trace of the build cannot be read: %w", err)
	}
	var trace control.StatusResponse
	if err := trace.UnmarshalVT(data); err != nil {
		return fmt.Errorf("the engine's trace of the build cannot be read: %w", err)
	}
	p.show(&trace)
	return nil
}

func (p *progress) show(trace *control.StatusResponse) {
	for _, v := range trace.Vertexes {
		p.begin(v)
	}
	for _, s := range trace.Statuses {
		p.status(s)
	}
	for _, l := range trace.Logs {
		s := p.step(l.Vertex)
		w := s.stdout
		if l.Stream == 2 {
			w = s.stderr
		}
		_, _ = w.Write(l.Msg)
	}
	for _, w := range trace.Warnings {
		p.say(p.step(w.Vertex), api.Stderr, lines.Clean("WARNING: "+string(w.Short)))
	}
	for _, v := range trace.Vertexes {
		p.finish(v)
	}
}

// step gives the step with a digest, which is new the first time.
func (p *progress) step(digest string) *step {
	s, ok := p.steps[digest]
	if !ok {
		s = &step{statuses: map[string]bool{}}
		s.stdout = lines.NewWriter(func(text string) { p.say(s, api.Stdout, text) })
		s.stderr = lines.NewWriter(func(text string) { p.say(s, api.Stderr, text) })
		p.steps[digest] = s
		p.order = append(p.order, s)
	}
	return s
}

// internal are the steps that are none of the Dockerfile's.
var internal = regexp.MustCompile(`^\[(internal|auth)\]|^copy /context /$`)

// begin says the name of a step that has started.
func (p *progress) begin(v *control.Vertex) {
	s := p.step(v.Digest)
	s.name, s.err = lines.Clean(unexpanded(v.Name, p.args)), v.Error
	s.internal = internal.MatchString(v.Name)
	if s.internal || s.begun {
		return
	}
	switch {
	case v.Cached:
		s.begun, p.speaking = true, s
		p.line(api.Stdout, "CACHED "+s.name)
	case v.Started != nil:
		s.begun = true
		p.heading(s)
	}
}

// shortest is how long a step has to take for that to be said.
const shortest = 100 * time.Millisecond

// finish says how long a step took. BuildKit may start it again afterwards,
// which is not said again.
func (p *progress) finish(v *control.Vertex) {
	s := p.step(v.Digest)
	if v.Completed == nil || v.Started == nil {
		return
	}
	s.stdout.Flush()
	s.stderr.Flush()
	took := v.Completed.AsTime().Sub(v.Started.AsTime())
	if s.internal || s.ended || v.Cached || v.Error != "" || took < shortest {
		return
	}
	s.ended = true
	p.say(s, api.Stdout, fmt.Sprintf("DONE %.1fs", took.Seconds()))
}

// status shows that a part of a step is done: that a layer has come, say.
func (p *progress) status(v *control.VertexStatus) {
	s := p.step(v.Vertex)
	if s.internal || v.Completed == nil || s.statuses[v.ID] {
		return
	}
	s.statuses[v.ID] = true
	text := v.ID
	if v.Total > 0 {
		text += " " + units.HumanSize(float64(v.Total))
	}
	p.say(s, api.Stdout, lines.Clean(text))
}

func (p *progress) heading(s *step) {
	p.speaking = s
	p.line(api.Stdout, s.name)
}

func (p *progress) say(s *step, stream, text string) {
	if p.speaking != s {
		p.heading(s)
	}
	s.last.add(stream, text)
	p.last.add(stream, text)
	p.line(stream, text)
}

func (p *progress) end() {
	for _, s := range p.order {
		s.stdout.Flush()
		s.stderr.Flush()
	}
}

// exitCode is how the messages about a RUN step that failed end.
var exitCode = regexp.MustCompile(`exit code: (\d+)$`)

// prefixes of a message are of no use to whoever wrote the Dockerfile.
var prefixes = regexp.MustCompile(`^(failed to solve( with frontend [^ :]+)?: |failed to create LLB definition: |failed to compute cache key: |failed to calculate checksum of ref \S+: |rpc error: code = \w+ desc = )+`)

// failure finds the step that failed: the others were given up because of it.
func (p *progress) failure(m message) *Failure {
	p.end()
	f := &Failure{Message: unexpanded(prefixes.ReplaceAllString(m.Error.Message, ""), p.args), Lines: p.last}
	if found := exitCode.FindStringSubmatch(f.Message); found != nil {
		if code, err := strconv.Atoi(found[1]); err == nil {
			f.ExitCode = &code
		}
	}
	failed := slices.IndexFunc(p.order, func(s *step) bool { return s.err != "" && !strings.Contains(s.err, "context canceled") })
	if failed >= 0 {
		f.Step, f.Lines = instruction(p.order[failed].name), p.order[failed].last
	}
	return f
}

// await has nothing to wait for: BuildKit answers when it has stopped.
func (p *progress) await(*client.Client) {}
