package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// updateClaims keeps an update waiting for the build of its image that was asked
// for before.
func updateClaims(name string, p *api.UpdateParams) []claim {
	claims := []claim{containerClaim(name)}
	if p.Image != "" {
		claims = append(claims, imageClaim(p.Image, classUse))
	}
	return claims
}

// completeUpdate says which image an update takes that names none. Its token has
// to be for that one too. While the container is not known yet, it says nothing.
func completeUpdate(d *Daemon, c *call, p *api.UpdateParams) error {
	if p.Image != "" {
		return nil
	}
	image, known := d.engine.NewestImage(c.name)
	if !known {
		return nil // it is asked for again when its turn has come
	}
	p.Image = image
	return d.cover(c, imageClaim(image, classUse))
}

func updateContainer(ctx context.Context, d *Daemon, c *call, p *api.UpdateParams) (api.Container, error) {
	return progressing(ctx, d, c, api.EventUpdate, func(ctx context.Context, tell func(string)) (api.Container, error) {
		if err := completeUpdate(d, c, p); err != nil {
			return api.Container{}, err
		}
		return d.engine.Update(ctx, c.name, *p, tell)
	})
}

func rollbackContainer(ctx context.Context, d *Daemon, c *call, _ *api.NoParams) (api.Container, error) {
	return progressing(ctx, d, c, api.EventRollback, func(ctx context.Context, tell func(string)) (api.Container, error) {
		return d.engine.Rollback(ctx, c.name, tell)
	})
}

// progressing makes a change when its turn has come, and sends what it tells of
// itself. The change waits for no caller, and ends whatever becomes of it.
func progressing(ctx context.Context, d *Daemon, c *call, event string, change func(context.Context, func(string)) (api.Container, error)) (api.Container, error) {
	if err := c.turn.wait(ctx); err != nil {
		return api.Container{}, err
	}
	if err := d.mustExist(ctx, c); err != nil {
		c.turn.leave()
		return api.Container{}, err
	}
	ctx = context.WithoutCancel(ctx)
	told := newProgress()
	var container api.Container
	var err error
	go func() {
		defer told.end()
		defer c.turn.leave()
		container, err = change(ctx, told.add)
	}()
	out := newStream(c, event, c.name)
	for lines := range told.all {
		if c.Notification() || out.sendChunk(ctx, lines) != nil {
			<-told.ended
			break
		}
	}
	if err != nil {
		err = endOfStream(err, out.seq, "")
	}
	return container, err
}

// progress is what a change has told of itself and nobody was sent yet.
type progress struct {
	ended chan struct{} // closed when no more comes
	wake  chan struct{} // has an entry when there is something new

	mu    sync.Mutex
	lines [][]byte
}

func newProgress() *progress {
	return &progress{ended: make(chan struct{}), wake: make(chan struct{}, 1)}
}

func (p *progress) add(text string) {
	line := api.Line{Time: api.Time{Time: time.Now()}, Stream: api.Progress, Text: text}
	p.mu.Lock()
	p.lines = append(p.lines, line.AppendJSON(nil))
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *progress) end() { close(p.ended) }

// all gives the lines, as many at once as there are, until the end.
func (p *progress) all(yield func(engine.Chunk) bool) {
	for over := false; !over; {
		select {
		case <-p.wake:
		case <-p.ended:
			over = true
		}
		p.mu.Lock()
		lines := p.lines
		p.lines = nil
		p.mu.Unlock()
		if len(lines) > 0 && !yield(engine.Chunk{Lines: lines, Count: len(lines)}) {
			return
		}
	}
}
