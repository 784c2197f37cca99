package engine

import (
	"bytes"
	"encoding/json"

	"github.com/dockwire/dockwire/client/api"
)

// segment is a run of lines as they go to the followers: their JSON, encoded once
// for all of them, a comma between two. It only grows, and what is in it never
// changes, so that a copy of it can be read while lines are added.
type segment struct {
	first int64 // the number of its first line
	gap   bool  // lines are missing just before it
	json  []byte
	lines []lineEnd
}

// lineEnd is where a line of a segment ends.
type lineEnd struct {
	end int      // in the JSON
	pos position // in the log; pos.last is the line
}

const (
	lineHead = len(`{"time":"2006-01-02T15:04:05.000000000Z","stream":"stdout","text":"`)
	lineRoom = lineHead + len(`"},`) // bytes of a line besides its text
	lineEach = 64                    // bytes that a lineEnd takes
)

// end gives the number of the line after the last one.
func (s *segment) end() int64 { return s.first + int64(len(s.lines)) }

// add appends a line. It is false, and nothing happened, when the segment is full.
func (s *segment) add(line logLine, pos position) bool {
	data := s.json
	if len(s.lines) > 0 {
		if len(data)+len(line.text)+lineRoom > MaxChunk {
			return false
		}
		data = append(data, ',')
	}
	data = line.appendJSON(data)
	if len(data) > MaxChunk && len(s.lines) > 0 {
		return false
	}
	s.json, s.lines = data, append(s.lines, lineEnd{len(data), pos})
	return true
}

// next gives an empty segment for the lines after this one. It has at once the
// room that this one needed: a quiet log takes little, a busy one grows no buffer.
func (s *segment) next() segment {
	return segment{
		first: s.end(),
		json:  make([]byte, 0, min(cap(s.json), MaxChunk)),
		lines: make([]lineEnd, 0, len(s.lines)),
	}
}

// run gives the JSON of the lines from the k-th on and before the n-th.
func (s *segment) run(k, n int) []byte { return s.json[s.start(k):s.lines[n-1].end:s.lines[n-1].end] }

func (s *segment) start(k int) int {
	if k == 0 {
		return 0
	}
	return s.lines[k-1].end + len(",")
}

// text gives the text of the k-th line.
func (s *segment) text(k int) []byte {
	line := s.run(k, k+1)
	text := line[lineHead:]
	if bytes.IndexByte(text, '\\') < 0 {
		return text[:bytes.IndexByte(text, '"')]
	}
	var parsed api.Line
	_ = json.Unmarshal(line, &parsed) // it is ours
	return []byte(parsed.Text)
}

func (s *segment) size() int { return cap(s.json) + lineEach*cap(s.lines) }

// ringLimit is how many bytes a ring holds.
const ringLimit = 4 << 20

// ring holds the newest lines of a log. Lines are numbered from 0 on, and keep
// their numbers.
type ring struct {
	segments []segment // only the last one grows
	before   mark      // the line before the first; zero at the beginning of the log
	bytes    int
}

// first gives the number of the oldest line.
func (r *ring) first() int64 {
	if len(r.segments) == 0 {
		return 0
	}
	return r.segments[0].first
}

// end gives the number that the next line will have.
func (r *ring) end() int64 {
	if len(r.segments) == 0 {
		return 0
	}
	return r.segments[len(r.segments)-1].end()
}

// last gives the newest line, or the one before the first if there is none.
func (r *ring) last() mark {
	if len(r.segments) == 0 {
		return r.before
	}
	lines := r.segments[len(r.segments)-1].lines
	return lines[len(lines)-1].pos.last
}

// add appends a line, and says whether it is the first of a segment.
func (r *ring) add(line logLine, pos position, gap bool) (begun bool) {
	if n := len(r.segments); n > 0 && !gap {
		last := &r.segments[n-1]
		before := last.size()
		if last.add(line, pos) {
			r.bytes += last.size() - before
			return false
		}
	}
	r.begin(line, pos, gap)
	return true
}

func (r *ring) begin(line logLine, pos position, gap bool) {
	var s segment
	if n := len(r.segments); n > 0 {
		s = r.segments[n-1].next()
	}
	s.gap = gap
	s.add(line, pos)
	r.segments, r.bytes = append(r.segments, s), r.bytes+s.size()
}

// drop gives up the oldest segment.
func (r *ring) drop() {
	oldest := &r.segments[0]
	r.before = oldest.lines[len(oldest.lines)-1].pos.last
	r.bytes -= oldest.size()
	*oldest = segment{}
	r.segments = r.segments[1:]
}

// at gives the segment with line number i, which is in the ring or the next one
// to come: then it is the last segment, or an empty one.
func (r *ring) at(i int64) segment {
	for k := len(r.segments) - 1; k >= 0; k-- {
		if r.segments[k].first <= i {
			return r.segments[k]
		}
	}
	return segment{first: i}
}

// after finds the line m from number i on, and gives the number after it. A gap
// on the way ends the search.
func (r *ring) after(m mark, i int64) (n int64, found, gap bool) {
	i = max(i, r.first())
	if i == r.first() && m == r.before {
		return i, true, false
	}
	for i < r.end() {
		s := r.at(i)
		k := int(i - s.first)
		if s.gap && k == 0 {
			return 0, false, true
		}
		for ; k < len(s.lines); k++ {
			if s.lines[k].pos.last == m {
				return s.first + int64(k) + 1, true, false
			}
		}
		i = s.end()
	}
	return 0, false, false
}
