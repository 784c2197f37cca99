package engine

import (
	"cmp"
	"context"
	"time"
)

// quietTime is how long a hub hears nothing before it looks for itself whether
// there are lines that the engine does not hand out.
const quietTime = 5 * time.Second

// watch cuts the engine's answer when it has stopped to hand out lines that
// there are: an engine whose reader fell behind by more than a file of a log
// that is rotated may wait for a file that nobody writes to. The reading then
// goes on in an answer of its own.
func (h *hub) watch(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(h.e.hubs.quiet, quietTime))
	defer tick.Stop()
	for was := int64(-1); ; { // what was heard
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		heard := h.heard.Load()
		last, cut := h.reading()
		if heard == was && cut != nil && h.behind(ctx, last) && h.heard.Load() == heard {
			cut()
		}
		was = heard
	}
}

// reading gives the last line, and what cuts the answer that is read, nil if there
// is none.
func (h *hub) reading() (last mark, cut context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ring.last(), h.cut
}

// behind says whether the log ends with another line than the last.
func (h *hub) behind(ctx context.Context, last mark) bool {
	r, err := h.e.openLog(ctx, h.id, logOptions{tail: 1})
	if err != nil {
		return false
	}
	defer r.Close()
	newest, err := r.next()
	return err == nil && (newest.stream != last.stream || newest.time != last.time)
}
