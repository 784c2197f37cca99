package git

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxURL  = 2048
	maxRef  = 255
	maxPath = 4096
)

// ParseURL checks the URL of a repository and takes it apart. What follows a #
// is a ref and, after a colon, a directory, each of which may be absent:
// https://example.com/game.git#v1.2:server. The URL that it gives has no
// fragment and is written in one way, so that equal ones are equal strings.
func ParseURL(raw string) (location, ref, dir string, err error) {
	if err := checkText(raw, maxURL); err != nil {
		return "", "", "", err
	}
	if strings.Contains(raw, `\`) {
		return "", "", "", errors.New("has a backslash in it")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", "", fmt.Errorf("is not a URL: %w", errors.Unwrap(err))
	}
	if err := checkURL(u); err != nil {
		return "", "", "", err
	}
	ref, dir, _ = strings.Cut(u.Fragment, ":")
	return canonical(u), ref, dir, nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("has to begin with https:// or http://")
	case u.User != nil:
		return errors.New("has a user or a password in it: leave them out")
	case u.Hostname() == "":
		return errors.New("has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("has the port %s: give one from 1 to 65535", port)
		}
	}
	return nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

func canonical(u *url.URL) string {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	c.Host = strings.ToLower(c.Host)
	if c.Port() == defaultPorts[c.Scheme] || c.Port() == "" {
		c.Host = strings.TrimSuffix(c.Host, ":"+c.Port())
	}
	return c.String()
}

// refSyntax is what git check-ref-format forbids, and a leading + or ^, which
// would make a ref something else in a refspec.
var refSyntax = regexp.MustCompile(`^[+^-]|^/|/$|//|\.\.|\.$|(^|/)\.|\.lock(/|$)|@\{|^@$|[ ~^:?*\[\\]`)

// CheckRef refuses what cannot be a branch, a tag, a full name such as
// refs/pull/7/head, or a commit.
func CheckRef(ref string) error {
	if err := checkText(ref, maxRef); err != nil {
		return err
	}
	if refSyntax.MatchString(ref) {
		return errors.New("is not a ref: give a branch, a tag or a commit")
	}
	return nil
}

// CleanPath checks a path in a repository and writes it in one way. The root
// is "".
func CleanPath(p string) (string, error) {
	if p == "" {
		return "", nil
	}
	if err := checkText(p, maxPath); err != nil {
		return "", err
	}
	if path.IsAbs(p) {
		return "", errors.New("is absolute: give a path from the root of the repository")
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return "", errors.New("has .. in it")
		}
	}
	if p = path.Clean(p); p == "." {
		return "", nil
	}
	return p, nil
}

func checkText(s string, longest int) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > longest:
		return fmt.Errorf("is longer than %d characters", longest)
	case strings.HasPrefix(s, "-"):
		return errors.New("begins with -")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("has control characters in it")
	}
	return nil
}
