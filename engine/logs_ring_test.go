package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func ringLine(i int) logLine {
	return logLine{mark{fromStdout, int64(i), 0}, fmt.Sprintf("%d <\"&\n%s", i, strings.Repeat("x", i%300)), false}
}

func TestARingKeepsTheNewestLinesUnderTheirNumbers(t *testing.T) {
	r := ring{limit: 100_000, before: mark{fromStderr, 1, 1}}
	if i, ok, _ := r.after(r.before, 0); !ok || i != 0 || r.last() != r.before {
		t.Errorf("after the line before an empty ring is number %d, %v", i, ok)
	}
	const n = 5000
	for i := range n {
		r.add(ringLine(i), position{last: mark{fromStdout, int64(i), 0}}, false)
		if r.bytes > r.limit {
			t.Fatalf("it holds %d bytes", r.bytes)
		}
	}
	if r.end() != n || r.first == 0 || r.before.time != r.first-1 {
		t.Errorf("it goes from %d to %d, after %v", r.first, r.end(), r.before)
	}
	for k, entry := range r.from(r.first) {
		i := int(r.first) + k
		var line api.Line
		if err := json.Unmarshal(entry.json, &line); err != nil || line.Text != ringLine(i).text || entry.text != line.Text {
			t.Fatalf("line %d is %s, %v", i, entry.json, err)
		}
		if next, ok, _ := r.after(entry.mark, 0); !ok || next != int64(i)+1 {
			t.Fatalf("after line %d is number %d, %v", i, next, ok)
		}
	}
	if i, ok, _ := r.after(mark{fromStdout, r.first - 2, 0}, 0); ok {
		t.Errorf("a line that is gone is found before %d", i)
	}
	r.add(logLine{mark: mark{fromStdout, n, 0}, text: strings.Repeat("y", 200_000)}, position{}, true)
	if len(r.entries) != 1 {
		t.Errorf("beside a line that is longer than the ring there are %d", len(r.entries)-1)
	}
	if _, ok, gap := r.after(mark{fromStdout, n, 0}, 0); ok || !gap {
		t.Errorf("a search across a gap gives %v, %v", ok, gap)
	}
}
