package builder

import (
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestTheValueOfAnArgumentIsPutBackToItsName(t *testing.T) {
	args := map[string]string{"TOKEN": "s3cr3t-token", "LONG": "s3cr3t-token-2", "N": "1", "QUOTED": `pass"word\9`}
	for text, want := range map[string]string{
		`[2/2] RUN curl -u s3cr3t-token x`:  `[2/2] RUN curl -u $TOKEN x`,
		`RUN a s3cr3t-token-2 s3cr3t-token`: `RUN a $LONG $TOKEN`,
		`RUN probe -n 1`:                    `RUN probe -n 1`,
		`RUN ["a", "pass\"word\\9"]`:        `RUN ["a", "$QUOTED"]`,
		`RUN a pass"word\9`:                 `RUN a $QUOTED`,
		"":                                  "",
	} {
		if got := unexpanded(text, args); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

func TestNoStepSaysTheValueOfAnArgument(t *testing.T) {
	var said string
	p := newProgress(func(_, text string) { said += text + "\n" })
	p.args = map[string]string{"TOKEN": "s3cr3t-token"}
	name := "[1/1] RUN fetch s3cr3t-token"
	p.show(&control.StatusResponse{Vertexes: []*control.Vertex{{Digest: "a", Name: name, Started: timestamppb.Now(), Error: "failed"}}})
	var m message
	m.Error = &struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{Message: "executor failed running [fetch s3cr3t-token]: exit code: 7"}
	f := p.failure(m)
	if said != "[1/1] RUN fetch $TOKEN\n" || f.Step != "RUN fetch $TOKEN" || f.Message != "executor failed running [fetch $TOKEN]: exit code: 7" {
		t.Errorf("it says %q, and fails with %+v", said, f)
	}
}
