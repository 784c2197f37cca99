package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/dockwire/dockwire/client/api"
)

// The streams of a log, as the engine numbers them.
const (
	fromStdout = 1
	fromStderr = 2
	fromEngine = 3 // its own word about why it cannot go on
)

var streamNames = [...]string{fromStdout: api.Stdout, fromStderr: api.Stderr}

// logLine is one line of a container's log.
type logLine struct {
	mark
	text []byte // valid UTF-8, without its newline; belongs to the demuxer and is valid until its next line
	cut  bool
}

func (l logLine) line() api.Line {
	return api.Line{Time: api.Time{Time: time.Unix(0, l.time)}, Stream: streamNames[l.stream], Text: string(l.text), Cut: l.cut}
}

// appendJSON appends what line would give, without the copy.
func (l logLine) appendJSON(buf []byte) []byte {
	buf = append(buf, `{"time":"`...)
	buf = appendStamp(buf, l.time)
	buf = append(buf, `","stream":"`...)
	buf = append(buf, streamNames[l.stream]...)
	buf = append(buf, `","text":`...)
	buf = api.AppendString(buf, l.text)
	if l.cut {
		buf = append(buf, `,"cut":true`...)
	}
	return append(buf, '}')
}

const (
	pieceSize   = 16 << 10 // of a line that goes on; a shorter piece without a newline is the last thing that was written
	frameHeader = 8
	frameBuffer = 32 << 10         // holds any frame of an engine that cuts lines at 16 KiB
	frameMax    = api.MaxLine << 1 // of a longer frame only the beginning is looked at, and it is a line
)

// demuxer reads lines from the framed stream of a log with timestamps. The
// engine hands out a long line in pieces, each a frame; those of one line have
// the same time, and only the last ends in a newline. Frames of the two streams
// lie between each other.
type demuxer struct {
	r       *bufio.Reader
	stamps  stampReader
	taken   int           // bytes of r's next frame that is used already
	lines   [2]unfinished // of stdout and stderr
	started int64         // the time of the first frame
	frames  int           // how many frames there were
	count   int           // how many lines
	doubt   int           // how many up to the last one that may lack its beginning, if the reading began inside the log
}

func newDemuxer(r io.Reader) *demuxer { return newDemuxerSize(r, frameBuffer) }

// newDemuxerSize is newDemuxer with a smaller buffer, where there are many. It
// grows when it has to.
func newDemuxerSize(r io.Reader, size int) *demuxer {
	return &demuxer{r: bufio.NewReaderSize(r, size)}
}

// next gives the next line that has ended. It gives io.EOF at the end of the
// stream; a line that has not ended by then is left out.
func (d *demuxer) next() (logLine, error) {
	for {
		f, err := d.frame()
		if err != nil {
			return logLine{}, err
		}
		u := &d.lines[f.stream-fromStdout]
		if u.open && u.time != f.time {
			return d.counted(u, u.end()), nil // its newline never came; the frame is looked at again
		}
		d.take(f)
		if line, ended := u.add(f); ended {
			return d.counted(u, line), nil
		}
	}
}

// counted counts a line. Pieces before it can only be missing from the first of
// its stream, and only near the beginning.
func (d *demuxer) counted(u *unfinished, line logLine) logLine {
	d.count++
	if !u.seen && line.time < d.started+disorder {
		d.doubt = d.count
	}
	u.seen = true
	return line
}

// opened gives the time of the oldest line that has begun and not ended, or 0.
func (d *demuxer) opened() int64 {
	var oldest int64
	for _, u := range d.lines {
		if u.open && (oldest == 0 || u.time < oldest) {
			oldest = u.time
		}
	}
	return oldest
}

type frame struct {
	stream uint8
	time   int64
	text   []byte // lies in the reader's buffer
	size   int    // of the whole frame
}

// frame looks at the next frame without taking it.
func (d *demuxer) frame() (frame, error) {
	if _, err := d.r.Discard(d.taken); err != nil {
		return frame{}, unexpected(err)
	}
	d.taken = 0
	header, err := d.r.Peek(frameHeader)
	if err != nil {
		return frame{}, truncated(header, err)
	}
	f := frame{stream: header[0], size: frameHeader + int(binary.BigEndian.Uint32(header[4:]))}
	if f.stream < fromStdout || f.stream > fromEngine {
		return frame{}, fmt.Errorf("the log has a frame of stream %d", f.stream)
	}
	if f.size > d.r.Size() {
		d.r = bufio.NewReaderSize(d.r, bufferFor(f.size))
	}
	data, err := d.r.Peek(min(f.size, frameMax))
	if err != nil {
		return frame{}, unexpected(err)
	}
	if f.stream == fromEngine {
		return frame{}, fmt.Errorf("the engine cannot go on with the log: %q", data[frameHeader:])
	}
	return f, f.parse(data[frameHeader:], &d.stamps)
}

// parse splits the time from the text.
func (f *frame) parse(data []byte, stamps *stampReader) error {
	stamp, text, ok := bytes.Cut(data, []byte{' '})
	at, err := stamps.parse(stamp)
	if !ok || err != nil {
		return fmt.Errorf("the log has a frame without a time: %.64q", data)
	}
	f.time, f.text = at, text
	return nil
}

// bufferFor gives the size of a buffer that holds a frame, as far as it is
// looked at.
func bufferFor(frame int) int {
	if frame <= frameBuffer {
		return 1 << bits.Len(uint(frame-1))
	}
	return frameMax
}

func (d *demuxer) take(f frame) {
	d.taken = f.size
	if d.frames == 0 {
		d.started = f.time
	}
	d.frames++
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func truncated(rest []byte, err error) error {
	if len(rest) > 0 {
		return unexpected(err)
	}
	return err
}

// unfinished gathers the pieces of a stream's current line.
type unfinished struct {
	mark // of the current line, or else of the last one
	open bool
	seen bool // a line has ended
	text []byte
}

// add takes a frame, and gives the line that it ends, if it does.
func (u *unfinished) add(f frame) (logLine, bool) {
	text, ended := bytes.CutSuffix(f.text, []byte{'\n'})
	ended = ended || len(text) < pieceSize || f.size > frameMax
	if !u.open {
		u.begin(f)
		if ended {
			return u.line(text), true
		}
	}
	u.open = !ended
	room := max(0, longest-len(u.text))
	u.text = append(u.text, text[:min(room, len(text))]...)
	if !ended {
		return logLine{}, false
	}
	return u.end(), true
}

// longest is how much of a line is kept until it has ended: enough to see that
// it is too long, and that the cut does not go through a character.
const longest = api.MaxLine + utf8.UTFMax

func (u *unfinished) begin(f frame) {
	n := u.n + 1
	if u.stream == 0 || u.time != f.time {
		n = 0
	}
	u.mark = mark{stream: f.stream, time: f.time, n: n}
}

func (u *unfinished) end() logLine {
	line := u.line(u.text)
	u.open, u.text = false, u.text[:0]
	return line
}

func (u *unfinished) line(text []byte) logLine {
	if !utf8.Valid(text) {
		text = []byte(string(bytes.Runes(text)))
	}
	line := logLine{mark: u.mark}
	if len(text) > api.MaxLine {
		end := api.MaxLine
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text, line.cut = text[:end], true
	}
	line.text = text
	return line
}
