package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/dockwire/dockwire/client/api"
)

// appendFrame appends a frame as the engine writes it.
func appendFrame(buf []byte, stream uint8, at int64, text string) []byte {
	payload := time.Unix(0, at).UTC().Format(api.TimeLayout) + " " + text
	buf = append(buf, stream, 0, 0, 0)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(payload)))
	return append(buf, payload...)
}

// demuxAll gives the lines of a stream and the error at its end.
func demuxAll(r io.Reader) (lines []logLine, d *demuxer, err error) {
	for d = newDemuxer(r); ; {
		line, err := d.next()
		if err != nil {
			return lines, d, err
		}
		line.text = bytes.Clone(line.text)
		lines = append(lines, line)
	}
}

func sameLines(a, b []logLine) bool {
	return slices.EqualFunc(a, b, func(a, b logLine) bool {
		return a.mark == b.mark && bytes.Equal(a.text, b.text) && a.cut == b.cut
	})
}

func TestPiecesOfALineAreJoinedWithinTheirStream(t *testing.T) {
	piece := strings.Repeat("p", pieceSize)
	var raw []byte
	for _, f := range []struct {
		stream uint8
		at     int64
		text   string
	}{
		{fromStdout, 1, piece},
		{fromStderr, 2, "between\n"},
		{fromStdout, 1, piece},
		{fromStderr, 2, "same time\n"},
		{fromStdout, 1, "end\n"},
		{fromStdout, 3, piece}, // its process was killed
		{fromStdout, 4, "no newline"},
		{fromStdout, 5, "\n"},
		{fromStderr, 6, piece}, // goes on
	} {
		raw = appendFrame(raw, f.stream, f.at, f.text)
	}
	want := []logLine{
		{mark{fromStderr, 2, 0}, []byte("between"), false},
		{mark{fromStderr, 2, 1}, []byte("same time"), false},
		{mark{fromStdout, 1, 0}, []byte(piece + piece + "end"), false},
		{mark{fromStdout, 3, 0}, []byte(piece), false},
		{mark{fromStdout, 4, 0}, []byte("no newline"), false},
		{mark{fromStdout, 5, 0}, []byte(""), false},
	}
	lines, d, err := demuxAll(iotest.OneByteReader(bytes.NewReader(raw)))
	if !errors.Is(err, io.EOF) || !sameLines(lines, want) {
		t.Errorf("the lines are not as written: %d of %d, %v", len(lines), len(want), err)
	}
	if d.opened() != 6 || d.frames != 9 || d.started != 1 {
		t.Errorf("the oldest open line is of %d; there were %d frames from %d on", d.opened(), d.frames, d.started)
	}
}

func TestAStreamThatIsNoLogIsRefused(t *testing.T) {
	good := appendFrame(nil, fromStdout, 1, "x\n")
	for name, raw := range map[string][]byte{
		"cut in a header":  append(slices.Clone(good), 1, 0, 0),
		"cut in a payload": good[:len(good)-1],
		"a wrong stream":   appendFrame(nil, 7, 1, "x\n"),
		"the engine's own": appendFrame(nil, fromEngine, 1, "disk on fire"),
		"no time":          {fromStdout, 0, 0, 0, 0, 0, 0, 2, 'x', '\n'},
		"text":             []byte("HTTP/1.1 400 Bad Request"),
	} {
		if _, _, err := demuxAll(bytes.NewReader(raw)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestAFrameOfAnySizeIsALine(t *testing.T) {
	long := strings.Repeat("ä", 300_000)
	raw := appendFrame(nil, fromStdout, 1, long+"\n")
	raw = appendFrame(raw, fromStdout, 2, "next\n")
	lines, _, _ := demuxAll(bytes.NewReader(raw))
	if len(lines) != 2 || string(lines[0].text) != long[:api.MaxLine] || !lines[0].cut || string(lines[1].text) != "next" {
		t.Errorf("there are %d lines", len(lines))
	}
}

// sizes are the lengths of lines around the marks.
var sizes = []int{
	0, 1, 2, 3, 10, 50, 100, 1000, pieceSize - 2, pieceSize - 1, pieceSize, pieceSize + 1, 2*pieceSize - 1, 2 * pieceSize,
	api.MaxLine - 1, api.MaxLine, api.MaxLine + 1, api.MaxLine + pieceSize,
}

// FuzzDemux writes lines as the engine does and compares what is read with what
// was written. Each byte of the script is a line: its stream, whether it shares
// the time of the one before, and how long it is.
func FuzzDemux(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\xff\xfe"), []byte("text\xff"))
	f.Add([]byte{0x2c, 0x2d, 0x30, 0x31, 0x3c, 0x40, 0x44}, []byte("\u20ac"))
	f.Fuzz(func(t *testing.T, script, text []byte) {
		text = append(bytes.ReplaceAll(text, []byte{'\n'}, nil), 'x')
		var raw []byte
		var want []logLine
		at, last := int64(1), map[uint8]mark{}
		for _, op := range script[:min(len(script), 16)] {
			stream := fromStdout + op&1
			at += int64(op >> 1 & 1)
			size := sizes[int(op>>2)%len(sizes)]
			line := bytes.Repeat(text, size/len(text)+1)[:size]
			m := mark{stream: stream, time: at}
			if before, ok := last[stream]; ok && before.time == at {
				m.n = before.n + 1
			}
			last[stream] = m
			raw = appendPieces(raw, stream, at, line)
			want = append(want, oracle(m, line))
		}
		lines, _, err := demuxAll(bytes.NewReader(raw))
		if !errors.Is(err, io.EOF) || !sameLines(lines, want) {
			t.Fatalf("%d lines were read and %d written, %v", len(lines), len(want), err)
		}
	})
}

func appendPieces(raw []byte, stream uint8, at int64, line []byte) []byte {
	for len(line) >= pieceSize {
		raw = appendFrame(raw, stream, at, string(line[:pieceSize]))
		line = line[pieceSize:]
	}
	return appendFrame(raw, stream, at, string(line)+"\n")
}

// oracle says what a line should be, the slow way.
func oracle(m mark, line []byte) logLine {
	text := string([]rune(string(line[:min(len(line), longest)])))
	cut := len(text) > api.MaxLine
	for len(text) > api.MaxLine {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return logLine{m, []byte(text), cut}
}

// FuzzDemuxBytes reads anything.
func FuzzDemuxBytes(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, fromStdout, 1, "x\n"), fromStderr, 2, "y"))
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, ' '})
	f.Fuzz(func(t *testing.T, raw []byte) {
		lines, _, err := demuxAll(bytes.NewReader(raw))
		if err == nil {
			t.Error("it has no end")
		}
		for _, line := range lines {
			if !utf8.Valid(line.text) || len(line.text) > api.MaxLine || bytes.HasSuffix(line.text, []byte("\n")) {
				t.Errorf("a line is %.40q", line.text)
			}
		}
	})
}

func BenchmarkDemux(b *testing.B) {
	const n = 10000
	var raw []byte
	for i := range n {
		raw = appendFrame(raw, fromStdout, int64(i), fmt.Sprintf("line %06d %s\n", i, strings.Repeat("x", 88)))
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		lines := 0
		for d := newDemuxer(bytes.NewReader(raw)); ; lines++ {
			if _, err := d.next(); err != nil {
				break
			}
		}
		if lines != n {
			b.Fatal(lines)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkRing(b *testing.B) {
	var r ring
	line := logLine{mark{fromStdout, time.Now().UnixNano(), 0}, []byte("line 000001 " + strings.Repeat("x", 88)), false}
	b.ReportAllocs()
	for b.Loop() {
		r.add(line, position{}, false)
		if r.bytes > ringLimit {
			r.drop()
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
