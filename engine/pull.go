package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-units"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/engine/builder"
)

// pullTimeout is how long the engine may take to pull an image.
const pullTimeout = 15 * time.Minute

// pull has the engine pull the image that create was given as name, with the
// login for its registry that this user's Docker configuration has.
func (e *Engine) pull(ctx context.Context, name string, ref reference.Named) error {
	if err := e.checkDisks(); err != nil {
		return err
	}
	ctx, stop := e.whileDisksLast(ctx)
	defer stop()
	_, err := within(ctx, pullTimeout, func(ctx context.Context) (struct{}, error) {
		auth, err := builder.RegistryAuth(reference.Domain(ref))
		if err != nil {
			e.log.Warn("the login for a registry cannot be read", zap.String("registry", reference.Domain(ref)), zap.Error(err))
		}
		progress, err := e.cli.ImagePull(ctx, ref.String(), image.PullOptions{RegistryAuth: auth})
		if err != nil {
			return struct{}{}, err
		}
		defer progress.Close()
		return struct{}{}, e.followPull(progress, name)
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return e.pullError(err, name, reference.Domain(ref))
}

// pullError says why an image could not be pulled. Registries answer with much
// the same words; the engine gives their codes only in part.
func (e *Engine) pullError(err error, name, registry string) error {
	wrapped := e.wrap(err, kindImage, name, "the image %s could not be pulled", quote(name))
	if class := classOf(wrapped); err == nil || class != Internal && class != NotFound && class != Conflict {
		return wrapped
	}
	why := fmt.Sprintf("see that the name is right and that the engine reaches %s", registry)
	said := strings.ToLower(err.Error())
	switch {
	case errdefs.IsUnauthorized(err) || errdefs.IsPermissionDenied(err) || containsAny(said, "unauthorized", "authentication required", "no basic auth", "denied"):
		why = fmt.Sprintf("%s does not give it to us, or has no such image: see that the name is right, and run docker login %s as the daemon's user", registry, registry)
	case errdefs.IsNotFound(err) || containsAny(said, "not found", "manifest unknown", "name unknown"):
		why = registry + " has no such image: see that the name and the tag are right"
	case containsAny(said, "connection refused", "no such host", "timeout", "unreachable", "deadline exceeded", "server misbehaving", "no route"):
		why = "the engine does not reach " + registry
	}
	refused := notFound(kindImage, name, "the image %s is not here and could not be pulled: %s", quote(name), why)
	refused.Err = err
	return refused
}

func containsAny(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// pullMessage is one of those that the engine sends while it pulls.
type pullMessage struct {
	ID       string `json:"id"` // of a layer
	Status   string `json:"status"`
	Error    string `json:"error"`
	Progress struct {
		Current int64 `json:"current"`
	} `json:"progressDetail"`
}

// tellEvery is how often the log hears of a pull.
const tellEvery = 5 * time.Second

// followPull reads what the engine says to its end, where its error is, and
// tells the log how far the pull is.
func (e *Engine) followPull(messages io.Reader, name string) error {
	log := e.log.With(zap.String("image", name))
	log.Info("pulling an image")
	began, told := time.Now(), time.Now()
	received := map[string]int64{} // by layer
	for decoder := json.NewDecoder(messages); ; {
		var m pullMessage
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			log.Info("an image was pulled", zap.Duration("took", time.Since(began)), zap.String("received", sum(received)))
			return nil
		} else if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		if m.Status == "Downloading" {
			received[m.ID] = max(received[m.ID], m.Progress.Current)
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			log.Info("still pulling an image", zap.String("received", sum(received)))
		}
	}
}

func sum(bytes map[string]int64) string {
	var total int64
	for _, n := range bytes {
		total += n
	}
	return units.HumanSize(float64(total))
}
