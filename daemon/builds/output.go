package builds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// maxOutput bounds what is kept of a build's output; what comes after is left
// out, and a line says so.
const maxOutput = 32 << 20

// output is the output of a build on disk: a line of JSON for each line.
type output struct {
	dir string

	mu      sync.Mutex
	file    *os.File // nil when it is closed
	lines   int64
	size    int64
	full    bool          // no more is taken
	changed chan struct{} // closed at the next change
	buf     []byte
}

func outputDir(root, name, id string) string { return filepath.Join(root, name, id) }

func createOutput(root, name, id string) (*output, error) {
	dir := outputDir(root, name, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a place for the build's output: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "output"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a place for the build's output: %w", err)
	}
	return &output{dir: dir, file: file, changed: make(chan struct{})}, nil
}

// openOutput finds the output of a build that has ended. A last line that was
// not written whole is cut off.
func openOutput(dir string) (*output, error) {
	path := filepath.Join(dir, "output")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole < len(data) {
		if err := os.Truncate(path, int64(whole)); err != nil {
			return nil, err
		}
	}
	lines := bytes.Count(data[:whole], []byte{'\n'})
	return &output{dir: dir, lines: int64(lines), size: int64(whole), changed: make(chan struct{})}, nil
}

// append adds a line. One that cannot be written whole is taken back, and what
// comes after it is left out.
func (o *output) append(line api.Line) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil || o.full {
		return nil
	}
	if o.size > maxOutput {
		o.full = true
		line.Text = fmt.Sprintf("The output is longer than %d MiB; the rest is left out.", maxOutput>>20)
	}
	o.buf = append(line.AppendJSON(o.buf[:0]), '\n')
	if _, err := o.file.Write(o.buf); err != nil {
		o.full = true
		return errors.Join(err, o.file.Truncate(o.size))
	}
	o.size += int64(len(o.buf))
	o.lines++
	o.broadcast()
	return nil
}

// close says that no more will come.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		o.file.Close() // each line was written by a call that said whether it was
		o.file = nil
	}
	o.broadcast()
}

func (o *output) broadcast() {
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *output) remove() {
	o.close()
	remove(o.dir)
}

// remove removes the directory of a build.
func remove(dir string) {
	os.RemoveAll(dir)
	os.Remove(filepath.Dir(dir)) // the directory of the name, when this was its last build
}

// progress gives how many lines and bytes there are, and a channel that is
// closed when that changes; nil when it will not.
func (o *output) progress() (lines, size int64, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return o.lines, o.size, nil
	}
	return o.lines, o.size, o.changed
}

// Follow gives the output behind a line, as it is written, until the build
// ends. While the caller handles one chunk, lines gather for the next. It ends
// early with ctx's error.
func (b *Job) Follow(ctx context.Context, after int64) iter.Seq2[engine.Chunk, error] {
	return func(yield func(engine.Chunk, error) bool) {
		file, err := os.Open(filepath.Join(b.output.dir, "output"))
		if err != nil {
			yield(engine.Chunk{}, fmt.Errorf("read the output of build %s: %w", b.ID, err))
			return
		}
		defer file.Close()
		r := &reader{file: file, room: engine.MaxChunk}
		for {
			_, size, changed := b.output.progress()
			for r.offset < size {
				chunk, err := r.next(size, after)
				if chunk.Count > 0 {
					chunk.Cursor = b.Cursor(r.line)
				}
				if err != nil || chunk.Count > 0 {
					if !yield(chunk, err) || err != nil {
						return
					}
				}
			}
			if changed == nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(engine.Chunk{}, ctx.Err())
				return
			}
		}
	}
}

// reader is a position in an output.
type reader struct {
	file   io.ReaderAt
	room   int // bytes of a block
	offset int64
	line   int64 // number of the line before offset
}

// next reads the lines up to size that fit, those up to the number after left
// out. Only whole lines lie before size.
func (r *reader) next(size, after int64) (engine.Chunk, error) {
	block := make([]byte, min(int64(r.room), size-r.offset))
	if _, err := r.file.ReadAt(block, r.offset); err != nil {
		return engine.Chunk{}, fmt.Errorf("read a build's output: %w", err)
	}
	end := bytes.LastIndexByte(block, '\n') + 1
	if end == 0 { // a line longer than the block
		r.room *= 2
		return r.next(size, after)
	}
	block = block[:end]
	r.offset += int64(end)
	for r.line < after && len(block) > 0 {
		block = block[bytes.IndexByte(block, '\n')+1:]
		r.line++
	}
	if len(block) == 0 {
		return engine.Chunk{}, nil
	}
	count := 0
	for i, c := range block[:len(block)-1] {
		if c == '\n' {
			block[i] = ','
			count++
		}
	}
	r.line += int64(count + 1)
	return engine.Chunk{Lines: [][]byte{block[:len(block)-1]}, Count: count + 1}, nil
}
