package engine

// ringEntry is a line as it goes to the followers, encoded once.
type ringEntry struct {
	mark
	text string
	json []byte
	pos  position // after it
	gap  bool     // lines are missing just before it
}

// Sizes of a ring.
const (
	ringLimit = 4 << 20  // bytes that a ring holds
	ringSlab  = 64 << 10 // lines share allocations of this size
	ringEach  = 160      // bytes of an entry, besides its line
)

// ring holds the newest lines of a log. Lines are numbered from 0 on, and keep
// their numbers. It waits for no reader: the oldest lines make room.
type ring struct {
	limit   int
	entries []ringEntry
	first   int64 // the number of entries[0]
	before  mark  // the line before entries[0]; zero at the beginning of the log
	bytes   int
	slab    slab
}

// end gives the number that the next line will have.
func (r *ring) end() int64 { return r.first + int64(len(r.entries)) }

// last gives the newest line, or the one before the first if there is none.
func (r *ring) last() mark {
	if len(r.entries) == 0 {
		return r.before
	}
	return r.entries[len(r.entries)-1].mark
}

func (r *ring) add(line logLine, pos position, gap bool) {
	entry := ringEntry{mark: line.mark, text: line.text, json: r.slab.encode(line), pos: pos, gap: gap}
	r.entries = append(r.entries, entry)
	r.bytes += entry.size()
	for r.bytes > r.limit && len(r.entries) > 1 {
		r.before = r.entries[0].mark
		r.bytes -= r.entries[0].size()
		r.entries = r.entries[1:]
		r.first++
	}
}

func (e *ringEntry) size() int { return len(e.text) + len(e.json) + ringEach }

// slab is memory that the JSON of several lines shares.
type slab []byte

func (s *slab) encode(line logLine) []byte {
	if need := len(line.text) + ringEach; cap(*s)-len(*s) < need {
		*s = make([]byte, 0, max(need, ringSlab))
	}
	start := len(*s)
	*s = line.line().AppendJSON(*s)
	return (*s)[start:len(*s):len(*s)]
}

// from gives the entries from number i on. They never change, so that they can
// be read while the ring goes on.
func (r *ring) from(i int64) []ringEntry { return r.entries[i-r.first:] }

// after finds the line m from number i on, and gives the number after it. A gap
// on the way ends the search.
func (r *ring) after(m mark, i int64) (n int64, found, gap bool) {
	i = max(i, r.first)
	if i == r.first && m == r.before {
		return i, true, false
	}
	for k, entry := range r.from(i) {
		if entry.gap {
			return 0, false, true
		}
		if entry.mark == m {
			return i + int64(k) + 1, true, false
		}
	}
	return 0, false, false
}
