// Package git fetches a commit of a repository that nobody trusts, and gives
// its files as a tar stream.
//
// It runs git as a child process, without a shell, a work tree, hooks, filters
// or a configuration of the user's. All that git receives comes through a proxy
// of this package, which connects only where a Policy lets it, looking at the
// address when it dials, and counts the bytes. What a commit holds is counted
// before anything of it is read.
package git

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Limits bound what a fetch may cost. All of its repositories, submodules
// included, count together.
type Limits struct {
	Received   int64         // bytes that come over the network
	Files      int           // files in the tree, and directories too
	Size       int64         // bytes of all files
	Path       int           // bytes of a path
	Depth      int           // components of a path
	Submodules int           // how deep submodules may lie in one another
	Time       time.Duration // for all of the fetching
}

// DefaultLimits are the limits where nothing else is said.
var DefaultLimits = Limits{
	Received:   512 << 20,
	Files:      50_000,
	Size:       1 << 30,
	Path:       maxPath,
	Depth:      64,
	Submodules: 5,
	Time:       5 * time.Minute,
}

// Client fetches repositories. Its methods may be called at the same time.
type Client struct {
	Policy      Policy
	Limits      Limits
	Credentials Credentials // for the servers that want to know who fetches
	Cache       *Cache      // of what was fetched before; nil for none. It has to lie on the disk of Temp
	Temp        string      // the directory under which fetched repositories lie; os.TempDir() when empty
	Prefix      string      // how the names of their directories begin
}

// Request says what to fetch.
type Request struct {
	URL        string // as ParseURL gives it
	Ref        string // a branch, a tag, a full name or a commit; HEAD when empty
	Dir        string // the directory that is wanted, as CleanPath gives it; the root when empty
	Submodules bool
	Login      *Login // for the origin of the URL, submodules that lie there included; nil for that of the Client

	Progress io.Writer                 // what git says while it fetches, line by line
	Check    func(commit string) error // is told the commit before anything of it is read; an error ends the fetch; may be nil
}

// Fetch fetches one commit. The error is an *Error where the request is at
// fault; when ctx ends it is the cause of that. Close the Snapshot when done.
func (c *Client) Fetch(ctx context.Context, r Request) (*Snapshot, error) {
	s, err := c.snapshot(ctx, r)
	if diskFull(err) {
		err = &Error{Kind: Limit, Name: "disk", Reason: "the disk that repositories are fetched to is full: make room there and build again", Err: err}
	}
	return s, err
}

func (c *Client) snapshot(ctx context.Context, r Request) (*Snapshot, error) {
	if c.Temp != "" {
		if err := os.MkdirAll(c.Temp, 0o700); err != nil {
			return nil, err
		}
	}
	temp, err := os.MkdirTemp(c.Temp, c.Prefix)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{temp: temp, cache: c.Cache}
	if err := c.fetch(ctx, r, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (c *Client) fetch(ctx context.Context, r Request, s *Snapshot) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	late := fail(Limit, "time", "fetching %s took more than %v", r.URL, c.Limits.Time)
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limits.Time, late)
	defer cancel()

	proxy, err := startProxy(c.Policy, c.Limits.Received, stop)
	if err != nil {
		return err
	}
	defer proxy.close()
	f := &fetch{limits: c.Limits, credentials: c.Credentials, cache: c.Cache, request: r, proxy: proxy, snapshot: s}
	return f.all(ctx)
}

// Clean removes what fetches of an earlier process with the same Temp and
// Prefix left behind. Call it when none is running.
func (c *Client) Clean() error {
	temp := c.Temp
	if temp == "" {
		temp = os.TempDir()
	}
	entries, err := os.ReadDir(temp)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		number, ours := strings.CutPrefix(entry.Name(), c.Prefix)
		if ours && entry.IsDir() && strings.Trim(number, "0123456789") == "" {
			err = errors.Join(err, removeWhole(filepath.Join(temp, entry.Name())))
		}
	}
	return err
}

// outlives is how long a git may write on whose process was killed.
const outlives = 5 * time.Second

// removeWhole removes a directory in which a git may still write that outlives
// the process that had started it.
func removeWhole(dir string) error {
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := os.RemoveAll(dir)
		if !errors.Is(err, syscall.ENOTEMPTY) || time.Since(begin) > outlives {
			return err
		}
	}
}

// Snapshot is what a directory of a commit holds. It lies in a temporary
// directory until it is closed. Its methods must not be called at the same
// time, but for Close, which may be called again.
type Snapshot struct {
	Commit string    // the full id
	Time   time.Time // when it was committed

	temp    string
	cache   *Cache
	fetched []*repo // what Close gives to the cache
	parts   []part  // the directory that was asked for, then its submodules
}

// part is a tree, and where in the snapshot it lies.
type part struct {
	repo   *repo
	tree   string // as git names it: a commit, or COMMIT:DIR
	prefix string // "", or a path that ends in /
}

// Close removes the snapshot. Its repositories go to the cache, but for those
// that git could not read.
func (s *Snapshot) Close() (err error) {
	for _, r := range s.fetched {
		if !r.doubtful {
			err = errors.Join(err, s.cache.put(r.name, r.dir))
		}
	}
	s.fetched = nil
	return errors.Join(err, os.RemoveAll(s.temp))
}
