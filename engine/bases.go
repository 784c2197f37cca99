package engine

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
)

// What a Dockerfile says of images, and of the arguments in their names.
var (
	fromLine = regexp.MustCompile(`(?im)^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)(?:[ \t]+AS[ \t]+(\S+))?`)
	fromFlag = regexp.MustCompile(`(?i)\bfrom=([^\s,]+)`) // of COPY and of RUN --mount
	argLine  = regexp.MustCompile(`(?im)^[ \t]*ARG[ \t]+([A-Za-z_]\w*)=["']?([^\s"']*)`)
)

// maxBases is how many images a Dockerfile may name for its builds to be found
// again.
const maxBases = 50

// basesOf gives the names of the images that a Dockerfile builds on. They are
// not known when one of them is made of what only the builder can tell.
func basesOf(dockerfile string, args map[string]string) (names map[string]bool, known bool) {
	names, known = map[string]bool{}, true
	stages := map[string]bool{"scratch": true}
	values := valuesOf(dockerfile, args)
	for _, line := range fromLine.FindAllStringSubmatch(dockerfile, -1) {
		name := os.Expand(line[1], func(variable string) string {
			value, given := values[variable]
			known = known && given
			return value
		})
		if !stages[strings.ToLower(name)] {
			names[name] = true
		}
		stages[strings.ToLower(line[2])] = true
	}
	for _, flag := range fromFlag.FindAllStringSubmatch(dockerfile, -1) {
		if !stages[strings.ToLower(flag[1])] {
			names[flag[1]] = true
		}
	}
	for name := range names {
		known = known && !strings.ContainsAny(name, "`\\$\"'")
	}
	return names, known && len(names) <= maxBases
}

// valuesOf gives the arguments that FROM may have in it: those before the first
// one.
func valuesOf(dockerfile string, args map[string]string) map[string]string {
	if first := fromLine.FindStringIndex(dockerfile); first != nil {
		dockerfile = dockerfile[:first[0]]
	}
	values := map[string]string{}
	for _, arg := range argLine.FindAllStringSubmatch(dockerfile, -1) {
		values[arg[1]] = arg[2]
		if given, ok := args[arg[1]]; ok {
			values[arg[1]] = given
		}
	}
	return values
}

// bases gives the id of each of the images as the engine has them, "" for those
// that it does not have.
func (e *Engine) bases(ctx context.Context, names map[string]bool) (map[string]string, error) {
	ids := map[string]string{}
	for name := range names {
		found, err := e.inspectImage(ctx, name)
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsInvalidArgument(err) {
			return nil, e.wrap(err, kindImage, name, "the image %s cannot be read", quote(name))
		}
		ids[name] = found.ID
	}
	return ids, nil
}

// madeFrom gives the labels by which the same build is found again. They are
// empty, so that none is inherited either, where that cannot be.
func (b *imageBuild) madeFrom(ctx context.Context, files *contextFiles) (recipe, bases string) {
	names, known := basesOf(string(files.dockerfile), b.p.Args)
	if !known {
		return "", ""
	}
	ids, err := b.bases(ctx, names)
	if err != nil {
		return "", ""
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return "", ""
	}
	return b.recipe(), string(text)
}

// sameBases says whether the images that a build was made from are what they
// were.
func (e *Engine) sameBases(ctx context.Context, were map[string]string) (bool, error) {
	names := map[string]bool{}
	for name := range were {
		names[name] = true
	}
	are, err := e.bases(ctx, names)
	return err == nil && maps.Equal(were, are), err
}
