package git

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// module is a repository in which submodules are looked for.
type module struct {
	repo   *repo
	commit string
	url    string
	dir    string // the directory that is part of the snapshot
	prefix string // where it lies in the snapshot, "" or ending in /
	depth  int
}

// submodules fetches what is linked in the module, and in turn what is linked
// there.
func (f *fetch) submodules(ctx context.Context, in module, links []link) error {
	if len(links) == 0 {
		return nil
	}
	if in.depth >= f.limits.Submodules {
		return fail(Limit, "submodules", "submodules lie more than %d deep in one another, at %s", f.limits.Submodules, in.prefix)
	}
	locations, err := in.locations(ctx)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := f.submodule(ctx, in, l, locations[path.Join(in.dir, l.path)]); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetch) submodule(ctx context.Context, in module, l link, location string) error {
	at := in.prefix + l.path
	location, err := submoduleURL(in.url, location)
	if err != nil {
		return fail(Submodule, at, "the submodule %s cannot be fetched: its URL in .gitmodules %s", at, err)
	}
	if f.request.Progress != nil {
		fmt.Fprintf(f.request.Progress, "Fetching the submodule %s from %s\n", at, location)
	}
	repo, commit, err := f.one(ctx, location, l.commit)
	var known *Error
	if errors.As(err, &known) && (known.Kind == Repository || known.Kind == Ref) {
		return &Error{Kind: Submodule, Name: at, Reason: fmt.Sprintf("the submodule %s: %s", at, known.Reason), Err: err}
	}
	if err != nil {
		return err
	}
	links, err := f.add(ctx, part{repo: repo, tree: commit.id, prefix: at + "/"}, "")
	if err != nil {
		return err
	}
	return f.submodules(ctx, module{repo: repo, commit: commit.id, url: location, prefix: at + "/", depth: in.depth + 1}, links)
}

// submoduleURL gives the URL of a submodule, which may be relative to that of
// the repository it is in.
func submoduleURL(parent, location string) (string, error) {
	if strings.HasPrefix(location, "./") || strings.HasPrefix(location, "../") {
		base, err := url.Parse(parent + "/")
		if err != nil {
			return "", err
		}
		location = base.JoinPath(location).String()
	}
	location, ref, dir, err := ParseURL(location)
	if err == nil && ref+dir != "" {
		err = errors.New("has a # in it")
	}
	return location, err
}

// locations reads .gitmodules: the URL of each submodule by its path.
func (m module) locations(ctx context.Context) (map[string]string, error) {
	e, found, err := m.repo.entry(ctx, m.commit, ".gitmodules")
	if err != nil {
		return nil, err
	}
	if !found || e.mode != modeFile && e.mode != modeExecutable || e.size > MaxFile {
		return nil, fail(Submodule, m.prefix+".gitmodules", "the submodules cannot be fetched: %s.gitmodules has to be a regular file of at most %d MiB", m.prefix, MaxFile>>20)
	}
	out, err := m.repo.output(ctx, "config", "--no-includes", "--blob", e.id, "-z", "--list")
	var said *gitError
	if errors.As(err, &said) {
		return nil, fail(Submodule, m.prefix+".gitmodules", "the submodules cannot be fetched: %s.gitmodules cannot be read: %s", m.prefix, said.words)
	}
	return parseModules(out), err
}

// parseModules reads git config -z --list of a .gitmodules.
func parseModules(list string) map[string]string {
	type settings struct{ path, url string }
	byName := map[string]*settings{}
	for item := range strings.SplitSeq(list, "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		name, ok := strings.CutPrefix(key, "submodule.")
		dot := strings.LastIndexByte(name, '.')
		if !ok || dot < 0 {
			continue
		}
		s := byName[name[:dot]]
		if s == nil {
			s = &settings{}
			byName[name[:dot]] = s
		}
		switch name[dot:] {
		case ".path":
			s.path = path.Clean(value)
		case ".url":
			s.url = value
		}
	}
	locations := map[string]string{}
	for _, s := range byName {
		locations[s.path] = s.url
	}
	return locations
}
