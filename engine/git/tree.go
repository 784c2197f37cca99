package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// The modes of a tree's entries.
const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeSymlink    = "120000"
	modeTree       = "040000"
	modeCommit     = "160000" // the link to a submodule
)

// entry is one line of git ls-tree -l -z.
type entry struct {
	mode, id, path string
	size           int64
}

func parseEntry(line string) (entry, error) {
	info, name, found := strings.Cut(line, "\t")
	fields := strings.Fields(info)
	if !found || len(fields) != 4 {
		return entry{}, fmt.Errorf("git ls-tree gave the line %q", clip(line))
	}
	e := entry{mode: fields[0], id: fields[2], path: name}
	if fields[3] == "-" {
		return e, nil
	}
	var err error
	e.size, err = strconv.ParseInt(fields[3], 10, 64)
	return e, err
}

// link is where a tree has a submodule.
type link struct{ path, commit string }

// usage is what has been counted against the limits.
type usage struct {
	files, dirs int
	size        int64
}

// scan counts what a tree holds before anything of it is read.
func (f *fetch) scan(ctx context.Context, p part) ([]link, error) {
	s := &scanner{usage: &f.counted, limits: f.limits, prefix: p.prefix}
	err := p.repo.run(ctx, s, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", p.tree)
	if s.err != nil {
		err = s.err
	}
	return s.links, err
}

// scanner reads git ls-tree -r -t -l -z as it is written.
type scanner struct {
	usage  *usage
	limits Limits
	prefix string
	rest   []byte
	links  []link
	err    error
}

// Write refuses to take more once a limit is reached, which ends git.
func (s *scanner) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	for s.err == nil {
		line, rest, found := bytes.Cut(s.rest, []byte{0})
		if !found {
			break
		}
		s.err = s.take(string(line))
		s.rest = rest
	}
	if s.err == nil && len(s.rest) > s.limits.Path+100 {
		s.err = s.tooLong(string(s.rest))
	}
	return len(b), s.err
}

func (s *scanner) take(line string) error {
	e, err := parseEntry(line)
	if err != nil {
		return err
	}
	u, l := s.usage, s.limits
	switch e.mode {
	case modeTree:
		u.dirs++
	case modeCommit:
		s.links = append(s.links, link{path: e.path, commit: e.id})
		fallthrough
	default:
		u.files++
		u.size += e.size
	}
	full := s.prefix + e.path
	switch {
	case len(full) > l.Path:
		return s.tooLong(full)
	case strings.Count(full, "/") >= l.Depth:
		return fail(Limit, "depth", "the repository has directories more than %d deep: %s", l.Depth, clip(strings.ToValidUTF8(full, "\ufffd")))
	case u.files > l.Files:
		return fail(Limit, "files", "the repository has more than %d files", l.Files)
	case u.dirs > l.Files:
		return fail(Limit, "files", "the repository has more than %d directories", l.Files)
	case u.size > l.Size:
		return fail(Limit, "size", "the files of the repository are larger than %d MiB in all", l.Size>>20)
	}
	return nil
}

func (s *scanner) tooLong(name string) error {
	return fail(Limit, "path", "the repository has a path of more than %d bytes: %s", s.limits.Path, clip(strings.ToValidUTF8(name, "\ufffd")))
}

// entry looks up a path in a tree. Symbolic links are not followed.
func (r *repo) entry(ctx context.Context, tree, name string) (e entry, found bool, err error) {
	out, err := r.output(ctx, "ls-tree", "-l", "-z", "--full-tree", tree, "--", name)
	if err != nil || out == "" {
		return entry{}, false, err
	}
	e, err = parseEntry(strings.TrimSuffix(out, "\x00"))
	return e, err == nil && e.path == name, err
}

// checkDir refuses a path that is no directory of the commit.
func (r *repo) checkDir(ctx context.Context, commit, dir string) error {
	e, found, err := r.entry(ctx, commit, dir)
	switch {
	case err != nil:
		return err
	case !found:
		return fail(Dir, dir, "there is no directory %s in the repository", dir)
	case e.mode != modeTree:
		return fail(Dir, dir, "%s in the repository is %s and not a directory", dir, kindOf(e.mode))
	}
	return nil
}

// MaxFile is how large a file may be that File reads.
const MaxFile = 1 << 20

// ErrNoFile is the cause of an Error of the kind File when there is no such
// file, and not another reason to refuse it.
var ErrNoFile = errors.New("no such file")

// File reads a file of the snapshot. It has to be a regular file of at most
// MaxFile bytes; a symbolic link is refused, not followed. The error is an
// *Error of the kind File, with the path from the repository's root.
func (s *Snapshot) File(ctx context.Context, name string) ([]byte, error) {
	p := s.parts[0]
	_, dir, _ := strings.Cut(p.tree, ":")
	full := path.Join(dir, name)
	e, found, err := p.repo.entry(ctx, p.tree, name)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, &Error{Kind: File, Name: full, Reason: fmt.Sprintf("there is no %s in the repository", full), Err: ErrNoFile}
	case e.mode != modeFile && e.mode != modeExecutable:
		return nil, fail(File, full, "%s in the repository is %s: it has to be a regular file", full, kindOf(e.mode))
	case e.size > MaxFile:
		return nil, fail(File, full, "%s in the repository is larger than %d MiB", full, MaxFile>>20)
	}
	return p.repo.blob(ctx, e.id)
}

func (r *repo) blob(ctx context.Context, id string) ([]byte, error) {
	var out bytes.Buffer
	err := r.run(ctx, &out, "cat-file", "blob", id)
	return out.Bytes(), err
}

func kindOf(mode string) string {
	switch mode {
	case modeSymlink:
		return "a symbolic link"
	case modeTree:
		return "a directory"
	case modeCommit:
		return "a submodule"
	}
	return "a regular file"
}
