package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func ringLine(i int) logLine {
	return logLine{mark{fromStdout, int64(i), 0}, fmt.Appendf(nil, "%d <\"&\n%s", i, strings.Repeat("x", i%300)), i%7 == 0}
}

func sameOnTheWire(a api.Line, b logLine) bool {
	return string(a.AppendJSON(nil)) == string(b.line().AppendJSON(nil))
}

func TestARingKeepsTheNewestLinesUnderTheirNumbers(t *testing.T) {
	r := ring{before: mark{fromStderr, 1, 1}}
	if i, ok, _ := r.after(r.before, 0); !ok || i != 0 || r.last() != r.before {
		t.Errorf("after the line before an empty ring is number %d, %v", i, ok)
	}
	const n = 5000
	for i := range n {
		r.add(ringLine(i), position{last: mark{fromStdout, int64(i), 0}}, false)
		for r.bytes > 300_000 {
			r.drop()
		}
	}
	if r.end() != n || r.first() == 0 || r.before.time != r.first()-1 {
		t.Errorf("it goes from %d to %d, after %v", r.first(), r.end(), r.before)
	}
	for i := r.first(); i < n; i++ {
		s := r.at(i)
		k := int(i - s.first)
		want := ringLine(int(i))
		var line api.Line
		if err := json.Unmarshal(s.run(k, k+1), &line); err != nil || !sameOnTheWire(line, want) || string(s.text(k)) != line.Text {
			t.Fatalf("line %d is %s, %v", i, s.run(k, k+1), err)
		}
		if next, ok, _ := r.after(want.mark, 0); !ok || next != i+1 {
			t.Fatalf("after line %d is number %d, %v", i, next, ok)
		}
	}
	if i, ok, _ := r.after(mark{fromStdout, r.first() - 2, 0}, 0); ok {
		t.Errorf("a line that is gone is found before %d", i)
	}
	long := logLine{mark: mark{fromStdout, n, 0}, text: []byte(strings.Repeat("y", 200_000))}
	if begun := r.add(long, position{last: long.mark}, true); !begun || r.at(n).first != n || len(r.at(n).lines) != 1 {
		t.Errorf("a line that is longer than a segment is not in one of its own")
	}
	if _, ok, gap := r.after(long.mark, 0); ok || !gap {
		t.Errorf("a search across a gap gives %v, %v", ok, gap)
	}
}

func TestTheRunsOfASegmentAreItsLinesInOrder(t *testing.T) {
	var s segment
	n := 0
	for ; s.add(ringLine(n), position{}); n++ {
		if len(s.json) > MaxChunk {
			t.Fatalf("it has %d bytes", len(s.json))
		}
	}
	for _, part := range [][2]int{{0, n}, {0, 1}, {n - 1, n}, {n / 3, n / 2}} {
		var lines []api.Line
		if err := json.Unmarshal(fmt.Appendf(nil, "[%s]", s.run(part[0], part[1])), &lines); err != nil || len(lines) != part[1]-part[0] {
			t.Fatalf("%v is %d lines, %v", part, len(lines), err)
		}
		for k, line := range lines {
			if !sameOnTheWire(line, ringLine(part[0]+k)) {
				t.Errorf("line %d is %+v", part[0]+k, line)
			}
		}
	}
}
