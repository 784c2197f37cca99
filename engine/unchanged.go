package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
)

// errUnchanged ends a build whose image is there already.
var errUnchanged = errors.New("nothing has changed")

// recipeVersion has to be raised when the same build would give another image
// than before.
const recipeVersion = 1

// recipe is a digest of all that decides, beside the commit and the base images,
// what the image will be.
func (b *imageBuild) recipe() string {
	p := b.p
	p.NoCache, p.Pull, p.After, p.Credential = false, false, "", nil
	text, err := json.Marshal(struct {
		Version int
		Classic bool
		Params  api.BuildParams
	}{recipeVersion, b.classic(), p})
	if err != nil {
		return "" // which no image has
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// reuse takes the image that a build of the commit gave before, if nothing that
// it was made of has changed since, and has the tag latest lead to it. It gives
// errUnchanged then; whatever is in the way of that, there is a build.
func (b *imageBuild) reuse(ctx context.Context, commit string) error {
	if b.p.NoCache || b.p.Pull {
		return nil
	}
	found, err := b.sameBuild(ctx, commit)
	if err == nil && found != nil {
		err = b.retag(ctx, found)
	}
	if err != nil {
		b.log.Warn("it is not known whether an image is there already", zap.String("name", b.p.Name), zap.Error(err))
	}
	if err != nil || found == nil {
		return nil
	}
	b.commit = commit
	b.out.Commit(commit)
	b.out.Line(api.Git, "Commit "+commit)
	b.out.Line(api.Git, "Nothing has changed since "+b.p.Name+":"+commit+" was built at "+builtAt(*found).Format(time.DateTime)+" UTC: it is the image; noCache or pull builds it anew")
	return errUnchanged
}

// sameBuild gives the image that the same build gave, if it still has its name
// and its bases are what they were.
func (b *imageBuild) sameBuild(ctx context.Context, commit string) (*image.Summary, error) {
	images, err := b.listImages(ctx,
		filters.Arg("label", labelName+"="+b.p.Name), filters.Arg("label", labelCommit+"="+commit), filters.Arg("label", labelRecipe+"="+b.recipe()))
	for _, i := range images {
		if !slices.Contains(i.RepoTags, b.tag(commit)) {
			continue
		}
		var were map[string]string
		if json.Unmarshal([]byte(i.Labels[labelBases]), &were) != nil {
			continue
		}
		same, err := b.sameBases(ctx, were)
		if same || err != nil {
			return &i, err
		}
	}
	return nil, err
}

// retag has latest lead to an image.
func (b *imageBuild) retag(ctx context.Context, i *image.Summary) error {
	if slices.Contains(i.RepoTags, b.tag("latest")) {
		return nil
	}
	return b.cli.ImageTag(ctx, i.ID, b.tag("latest"))
}
