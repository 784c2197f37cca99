package engine

// Chunk is what one notification of a stream of lines carries.
type Chunk struct {
	Lines   [][]byte // the lines as JSON, or runs of them with a comma between two; they never change
	Count   int      // how many lines there are
	Dropped int64    // lines left out just before these
	Gap     bool     // lines are missing just before these, nobody knows how many
	State   string   // api.StreamPaused or api.StreamResumed, without lines; else ""
	Cursor  string   // goes on after the last of the lines
}

// AppendLines appends the lines as JSON, a comma between two.
func (c *Chunk) AppendLines(buf []byte) []byte {
	for i, run := range c.Lines {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, run...)
	}
	return buf
}

// MaxChunk is how many bytes of lines go into a chunk, but for a single line
// that is longer: a frame of 64 KiB has room for them.
const MaxChunk = 63 << 10
