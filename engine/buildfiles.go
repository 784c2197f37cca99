package engine

import (
	"bytes"
	"context"
	"errors"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git"
)

// contextFiles says which of the files of a directory are a build's context.
type contextFiles struct {
	path       string // of the Dockerfile
	dockerfile []byte
	ignored    *patternmatcher.PatternMatcher // nil when all files are sent
}

// files reads the Dockerfile and what belongs to it.
func (b *imageBuild) files(ctx context.Context, source *git.Snapshot) (*contextFiles, error) {
	f := &contextFiles{path: b.p.Dockerfile}
	var err error
	if f.dockerfile, err = source.File(ctx, f.path); err != nil {
		return nil, gitError(err)
	}
	name, ignore, err := ignoreFile(ctx, source, f.path)
	if err != nil {
		return nil, gitError(err)
	}
	if f.ignored, err = parseIgnore(ignore); err != nil {
		return nil, &Error{Class: BuildFailed, Reason: name + " cannot be understood: " + err.Error(), Data: api.ErrorData{Step: name}, Err: err}
	}
	return f, nil
}

// ignoreFile reads DOCKERFILE.dockerignore, or else .dockerignore, neither of
// which has to be there.
func ignoreFile(ctx context.Context, source *git.Snapshot, dockerfile string) (name string, content []byte, err error) {
	for _, name := range []string{dockerfile + ".dockerignore", ".dockerignore"} {
		content, err := source.File(ctx, name)
		if !errors.Is(err, git.ErrNoFile) {
			return name, content, err
		}
	}
	return "", nil, nil
}

// maxPatterns bounds the time that it takes to look at each file.
const maxPatterns = 10_000

func parseIgnore(content []byte) (*patternmatcher.PatternMatcher, error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(content))
	if err != nil || len(patterns) == 0 {
		return nil, err
	}
	if len(patterns) > maxPatterns {
		return nil, errors.New("it has more than 10,000 patterns")
	}
	return patternmatcher.New(patterns)
}

// keep says whether a path is part of the context. The Dockerfile always is.
func (f *contextFiles) keep(path string) (bool, error) {
	if f.ignored == nil || path == f.path {
		return true, nil
	}
	ignored, err := f.ignored.MatchesOrParentMatches(path)
	return !ignored, err
}
