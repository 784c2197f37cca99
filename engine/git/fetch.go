package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fetch is one call of Client.Fetch.
type fetch struct {
	limits      Limits
	credentials Credentials
	cache       *Cache
	request     Request
	proxy       *proxy
	snapshot    *Snapshot
	counted     usage
}

// all fetches the commit that was asked for and, if wanted, its submodules.
func (f *fetch) all(ctx context.Context) error {
	r, s := f.request, f.snapshot
	repo, commit, err := f.one(ctx, r.URL, r.Ref)
	if err != nil {
		return err
	}
	s.Commit, s.Time = commit.id, commit.time
	if r.Check != nil {
		if err := r.Check(commit.id); err != nil {
			return err
		}
	}
	links, err := f.add(ctx, part{repo: repo, tree: commit.id}, r.Dir)
	if err != nil || !r.Submodules {
		return err
	}
	return f.submodules(ctx, module{repo: repo, commit: commit.id, url: r.URL, dir: r.Dir}, links)
}

// add makes a directory of a commit part of the snapshot, if it is within the
// limits. It gives the submodules that are linked there.
func (f *fetch) add(ctx context.Context, p part, dir string) ([]link, error) {
	if dir != "" {
		if err := p.repo.checkDir(ctx, p.tree, dir); err != nil {
			return nil, err
		}
		p.tree += ":" + dir
	}
	links, err := f.scan(ctx, p)
	if err == nil {
		f.snapshot.parts = append(f.snapshot.parts, p)
	}
	return links, err
}

type commit struct {
	id   string
	time time.Time
}

// one fetches a commit into a repository of its own: one from the cache, which
// has most of the commit as a rule, else a new one. The server is asked in any
// case, so that nobody gets a commit that it does not give them.
func (f *fetch) one(ctx context.Context, location, ref string) (*repo, commit, error) {
	access, err := f.accessTo(location)
	if err != nil {
		return nil, commit{}, err
	}
	ref = cmp.Or(ref, "HEAD")
	dir := filepath.Join(f.snapshot.temp, strconv.Itoa(len(f.snapshot.parts)))
	r := &repo{dir: dir, proxy: f.proxy.url(), name: f.cache.name(location, access)}
	if f.cache.take(r.name, dir) {
		c, err := f.bring(ctx, r, access, location, ref)
		switch {
		case err == nil || saysNoRef(err):
			r.doubtful = false
			f.keep(r)
			return r, c, f.explain(ctx, err, access, location, ref)
		case ctx.Err() != nil:
			return nil, commit{}, context.Cause(ctx)
		}
		if err := os.RemoveAll(dir); err != nil { // it may be damaged
			return nil, commit{}, err
		}
	}
	if err := r.init(ctx); err != nil {
		return nil, commit{}, err
	}
	c, err := f.bring(ctx, r, access, location, ref)
	if err != nil {
		return nil, commit{}, f.explain(ctx, err, access, location, ref)
	}
	f.keep(r)
	return r, c, nil
}

// keep has the snapshot give the repository to the cache in the end.
func (f *fetch) keep(r *repo) { f.snapshot.fetched = append(f.snapshot.fetched, r) }

// bring fetches a commit into a repository, which remembers it.
func (f *fetch) bring(ctx context.Context, r *repo, access *access, location, ref string) (commit, error) {
	if err := r.fetch(ctx, f.request.Progress, access, location, ref); err != nil {
		return commit{}, err
	}
	c, isCommit, err := r.fetched(ctx)
	if err == nil && !isCommit {
		err = fail(Ref, ref, "%s of %s is no commit", ref, location)
	}
	if err != nil {
		return commit{}, err
	}
	return c, r.remember(c.id)
}

// fetched gives the commit that was fetched; a ref may also lead to a tree or a
// file, of which git log says nothing.
func (r *repo) fetched(ctx context.Context) (c commit, isCommit bool, err error) {
	out, err := r.output(ctx, "log", "-1", "--format=%H %ct", "FETCH_HEAD", "--")
	if err != nil || out == "" {
		return commit{}, false, err
	}
	id, seconds, _ := strings.Cut(out, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return commit{id: id, time: time.Unix(unix, 0).UTC()}, err == nil, err
}

var (
	unknownRef = regexp.MustCompile(`(?i)couldn't find remote ref|unadvertised object|not our ref|no such remote ref`)
	commitID   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shortID    = regexp.MustCompile(`^[0-9a-f]{4,39}$`)
)

// saysNoRef says that git and the repository are well, and the server has no
// such ref.
func saysNoRef(err error) bool {
	var said *gitError
	return errors.As(err, &said) && unknownRef.MatchString(said.words)
}

// explain says what became of a fetch that failed, in the caller's terms. A
// page of HTML, or an empty one, can look like a repository without refs to
// git, so that the server is asked once more to see what it is.
func (f *fetch) explain(ctx context.Context, err error, access *access, location, ref string) error {
	var said *gitError
	if !errors.As(err, &said) {
		return err
	}
	if diskFull(err) {
		return err
	}
	answer, isRepository := f.probe(ctx, access, location)
	var known *Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !isRepository:
		known = fail(Repository, location, "no git repository at %s: %s", location, answer)
	case saysNoRef(err):
		known = noRef(location, ref)
	default:
		known = fail(Repository, location, "%s cannot be fetched: git says %q", location, said.words)
	}
	known.Err = err
	return known
}

func noRef(location, ref string) *Error {
	switch {
	case ref == "HEAD":
		return fail(Repository, location, "the repository at %s is empty, or its HEAD names no branch: push something, or give a ref", location)
	case commitID.MatchString(ref):
		return fail(Ref, ref, "%s has no commit %s, or does not give commits by their id: give a branch or a tag", location, ref)
	case shortID.MatchString(ref):
		return fail(Ref, ref, "%s has no branch or tag %s: if that is a commit, give its full id of 40 digits", location, ref)
	}
	return fail(Ref, ref, "%s has no branch or tag %s", location, ref)
}

// probe asks the server what git asks first, and says in words what it
// answered, and whether a git server answers so.
func (f *fetch) probe(ctx context.Context, access *access, location string) (answer string, isRepository bool) {
	service := location + "/info/refs?service=git-upload-pack"
	if strings.Contains(location, "?") {
		service = location + "&service=git-upload-pack"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, service, nil)
	if err != nil {
		return err.Error(), false
	}
	req.Header.Set("Git-Protocol", "version=2")
	req.Header.Set("User-Agent", "git/2")
	client := http.Client{Transport: signer{access: access, base: f.proxy.transport}}
	resp, err := client.Do(req)
	if err != nil {
		return whyNoAnswer(err), false
	}
	resp.Body.Close()
	if denied := resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden; denied && access != nil && originOf(resp.Request.URL) == access.origin {
		return fmt.Sprintf("%s does not take the credential that was given for it, or it does not reach that far (%d)", access.origin, resp.StatusCode), false
	}
	return describe(resp)
}

func whyNoAnswer(err error) string {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return clip(strings.ToValidUTF8(err.Error(), "\ufffd"))
}

func describe(resp *http.Response) (answer string, isRepository bool) {
	kind := clip(strings.ToValidUTF8(resp.Header.Get("Content-Type"), "\ufffd"))
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return "the server wants a user and a password, which it may also do for a repository that does not exist: give a credential", false
	case resp.StatusCode != http.StatusOK:
		return fmt.Sprintf("the server answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), false
	case strings.HasPrefix(kind, "application/x-git-upload-pack-advertisement"):
		return "", true
	case kind == "":
		kind = "something of no content type"
	}
	return "the server answered with " + kind + ", as a web page does and git's smart HTTP does not", false
}
