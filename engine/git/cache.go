package git

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// CacheLimits bound what a Cache keeps. Zero fields mean the defaults that stand
// beside them.
type CacheLimits struct {
	Repositories int   // 100; nothing is kept when negative
	Bytes        int64 // of all of them together: 2 GiB
}

func (l CacheLimits) withDefaults() CacheLimits {
	return CacheLimits{Repositories: cmp.Or(l.Repositories, 100), Bytes: cmp.Or(l.Bytes, 2<<30)}
}

// Cache keeps fetched repositories, so that the next fetch brings only what has
// changed since. Its methods may be called at the same time; a nil *Cache keeps
// nothing.
//
// A repository is kept for who fetched it: for the URL and the login that the
// server was shown. Whoever has another login, or none, does not come near it.
// It leaves the cache while a fetch uses it, and comes back whole or not at all:
// what a process that was killed had in use is lost, never half-written.
type Cache struct {
	dir    string
	limits CacheLimits
	secret []byte // of this process

	mu   sync.Mutex // guards kept, and what lies in dir
	kept map[string]kept
}

// kept is a repository in the cache.
type kept struct {
	bytes int64
	used  time.Time
}

// publicName is how a repository is called that was fetched without a login. The
// others are of no use to another process: their names were made with a secret
// that is gone, so that nothing on the disk can be compared with a password.
var publicName = regexp.MustCompile(`^public-[0-9a-f]{64}$`)

// OpenCache finds what an earlier process has kept in dir, which it makes if
// need be, and removes what is of no use any more. No other process may use it.
func OpenCache(dir string, limits CacheLimits) (*Cache, error) {
	c := &Cache{dir: dir, limits: limits.withDefaults(), secret: []byte(rand.Text()), kept: map[string]kept{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		info, failed := entry.Info()
		if failed != nil || !info.IsDir() || !publicName.MatchString(entry.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
			continue
		}
		c.kept[entry.Name()] = kept{bytes: sizeOf(c.path(entry.Name())), used: info.ModTime()}
	}
	return c, errors.Join(err, c.shrink(c.limits))
}

// Clear removes all that is kept and not in use.
func (c *Cache) Clear() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shrink(CacheLimits{})
}

func (c *Cache) path(name string) string { return filepath.Join(c.dir, name) }

// name gives what the repository of a URL is called that was fetched with this
// access, if any.
func (c *Cache) name(location string, access *access) string {
	if c == nil {
		return ""
	}
	if access == nil {
		sum := sha256.Sum256([]byte(location))
		return "public-" + hex.EncodeToString(sum[:])
	}
	mac := hmac.New(sha256.New, c.secret)
	for _, part := range []string{location, access.origin, access.login.username(), access.login.Password} {
		mac.Write([]byte(part + "\x00"))
	}
	return "login-" + hex.EncodeToString(mac.Sum(nil))
}

// take moves a repository out of the cache, and says whether there was one.
func (c *Cache) take(name, to string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.kept[name]; !known {
		return false
	}
	delete(c.kept, name)
	if os.Rename(c.path(name), to) == nil {
		return true
	}
	_ = os.RemoveAll(c.path(name))
	return false
}

// maxPacks is how many fetches a repository is kept for: each leaves a pack, and
// nobody tidies up. The next one begins anew.
const maxPacks = 50

// put moves a repository into the cache, in place of an older one of the same
// name, and makes room for it. What cannot be kept stays where it is.
func (c *Cache) put(name, from string) error {
	if c == nil || c.limits.Repositories < 0 {
		return nil
	}
	if packs, err := filepath.Glob(filepath.Join(from, "objects", "pack", "*.pack")); err != nil || len(packs) > maxPacks {
		return err
	}
	bytes, now := sizeOf(from), time.Now()
	if err := os.Chtimes(from, now, now); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.remove(name); err != nil {
		return err
	}
	if err := os.Rename(from, c.path(name)); err != nil {
		return err
	}
	c.kept[name] = kept{bytes: bytes, used: now}
	return c.shrink(c.limits)
}

// shrink removes those that have not been used for longest, until the rest is
// within the limits.
func (c *Cache) shrink(to CacheLimits) (err error) {
	for {
		var oldest string
		var bytes int64
		for name, k := range c.kept {
			bytes += k.bytes
			if oldest == "" || k.used.Before(c.kept[oldest].used) {
				oldest = name
			}
		}
		if oldest == "" || len(c.kept) <= to.Repositories && bytes <= to.Bytes {
			return err
		}
		err = errors.Join(err, c.remove(oldest))
	}
}

func (c *Cache) remove(name string) error {
	delete(c.kept, name)
	return os.RemoveAll(c.path(name))
}

// sizeOf counts the bytes of the files below a directory.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
