package builder

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockwire/dockwire/client/api"
)

// said gathers lines as STREAM TEXT.
type said []string

func (s *said) line(stream, text string) { *s = append(*s, stream+" "+text) }

func (s said) wants(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s, want) {
		t.Errorf("said:\n%s\nwant:\n%s", strings.Join(s, "\n"), strings.Join(want, "\n"))
	}
}

func at(seconds float64) *timestamppb.Timestamp {
	return &timestamppb.Timestamp{Seconds: int64(seconds), Nanos: int32((seconds - float64(int64(seconds))) * 1e9)}
}

func vertex(digest, name string, times ...float64) *control.Vertex {
	v := &control.Vertex{Digest: digest, Name: name}
	if len(times) > 0 {
		v.Started = at(times[0])
	}
	if len(times) > 1 {
		v.Completed = at(times[1])
	}
	return v
}

func log(digest string, stream int64, text string) *control.VertexLog {
	return &control.VertexLog{Vertex: digest, Stream: stream, Msg: []byte(text)}
}

// trace makes the message that the engine sends.
func trace(t testing.TB, r *control.StatusResponse) message {
	t.Helper()
	data, err := r.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	aux, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return message{ID: traceID, Aux: aux}
}

func TestStepsThatRunSideBySideAreToldApart(t *testing.T) {
	var out said
	p := newProgress(out.line)
	for _, r := range []*control.StatusResponse{
		{Vertexes: []*control.Vertex{vertex("i", "[internal] load build definition", 1), vertex("a", "[a 2/2] RUN a"), vertex("b", "[b 2/2] RUN b")}},
		{Vertexes: []*control.Vertex{vertex("a", "[a 2/2] RUN a", 1)}, Logs: []*control.VertexLog{log("a", 1, "one\ntw")}},
		{Vertexes: []*control.Vertex{vertex("b", "[b 2/2] RUN b", 1)}, Logs: []*control.VertexLog{log("b", 2, "oops\n"), log("a", 1, "o\nthree"), log("a", 2, "err\n")}},
		{Vertexes: []*control.Vertex{vertex("a", "[a 2/2] RUN a", 1, 3.5), vertex("b", "[b 2/2] RUN b", 1, 1.01)}},
		{Vertexes: []*control.Vertex{vertex("a", "[a 2/2] RUN a", 4), {Digest: "c", Name: "[3/3] COPY x", Started: at(4), Completed: at(4), Cached: true}}},
	} {
		if err := p.take(trace(t, r)); err != nil {
			t.Fatal(err)
		}
	}
	p.end()
	out.wants(t,
		"stdout [a 2/2] RUN a", "stdout one",
		"stdout [b 2/2] RUN b", "stderr oops",
		"stdout [a 2/2] RUN a", "stdout two", "stderr err", "stdout three", "stdout DONE 2.5s",
		"stdout CACHED [3/3] COPY x")
}

func TestAFailureIsThatOfTheStepThatFailed(t *testing.T) {
	var out said
	p := newProgress(out.line)
	failed, stopped := vertex("a", "[build 2/3] RUN exit 7", 1, 2), vertex("b", "[b 2/2] RUN b", 1, 2)
	failed.Error, stopped.Error = "process did not complete successfully: exit code: 7", "context canceled"
	p.show(&control.StatusResponse{Vertexes: []*control.Vertex{vertex("b", "[b 2/2] RUN b", 1), vertex("a", "[build 2/3] RUN exit 7", 1)}})
	for i := range 30 {
		p.show(&control.StatusResponse{Logs: []*control.VertexLog{log("a", 2, fmt.Sprintf("line %d\n", i)), log("b", 1, "other\n")}})
	}
	p.show(&control.StatusResponse{Vertexes: []*control.Vertex{stopped, failed}, Logs: []*control.VertexLog{log("a", 1, "last words")}})
	var m message
	_ = json.Unmarshal([]byte(`{"errorDetail":{"message":"failed to solve: process \"/bin/sh -c exit 7\" did not complete successfully: exit code: 7"}}`), &m)
	f := p.failure(m)
	if f.Step != "RUN exit 7" || f.ExitCode == nil || *f.ExitCode != 7 || !strings.HasPrefix(f.Message, "process") {
		t.Errorf("%+v", f)
	}
	if n := len(f.Lines); n != maxLines || f.Lines[n-1].Text != "last words" || f.Lines[n-2].Text != "line 29" || f.Lines[n-2].Stream != api.Stderr {
		t.Errorf("%d lines: %+v", n, f.Lines)
	}
}

func TestTheNameOfAStepIsItsInstruction(t *testing.T) {
	for name, want := range map[string]string{
		"[2/3] RUN make": "RUN make", "[build 2/3] RUN [\"a\"]": `RUN ["a"]`, "exporting to image": "exporting to image", "[odd": "[odd",
		"[internal] load metadata for docker.io/library/alpine:3": "FROM docker.io/library/alpine:3",
	} {
		if got := instruction(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTheClassicBuilderIsReadTheSameWay(t *testing.T) {
	var out said
	s := newSteps(map[string]string{"ours": "1"}, out.line)
	for _, text := range []string{
		"Step 1/4 : FROM x\n", " ---> 0123456789ab\n", "Step 2/4 : RUN a", "\n", " ---> Running in 0123456789ab\n", "par", "tial\nnext\n",
		red + "bad\n" + plain, red + "half " + plain, red + "line\n" + plain, "Removing intermediate container 0123456789ab\n", " ---> Using cache\n",
		"Step 4/4 : LABEL ours=1\n", "no newline",
	} {
		if err := s.take(message{Stream: text}); err != nil {
			t.Fatal(err)
		}
	}
	s.end()
	out.wants(t, "stdout Step 1/4 : FROM x", "stdout Step 2/4 : RUN a", "stdout partial", "stdout next",
		"stderr bad", "stderr half line", "stdout  ---> Using cache", "stdout no newline")
}

func FuzzTrace(f *testing.F) {
	seed, err := (&control.StatusResponse{
		Vertexes: []*control.Vertex{vertex("a", "[1/1] RUN a", 1, 2)},
		Statuses: []*control.VertexStatus{{ID: "s", Vertex: "a", Total: 1, Completed: at(1)}},
		Logs:     []*control.VertexLog{log("a", 1, "x\n")},
		Warnings: []*control.VertexWarning{{Vertex: "a", Short: []byte("w")}},
	}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		var out said
		p := newProgress(out.line)
		aux, _ := json.Marshal(data)
		_ = p.take(message{ID: traceID, Aux: aux})
		p.end()
		for _, line := range out {
			if strings.ContainsAny(line, "\n") {
				t.Errorf("%q", line)
			}
		}
	})
}
