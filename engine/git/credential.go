package git

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Login is what a server wants to know before it gives a private repository: a
// user and a password, or a token as the password. It is shown to nobody but
// the server, so it prints as [hidden].
type Login struct {
	Username string // git when empty: servers that take a token seldom look at it
	Password string
}

// String hides the login from whoever prints it.
func (Login) String() string { return "[hidden]" }

// GoString hides the login from whoever prints it.
func (Login) GoString() string { return "[hidden]" }

func (l Login) username() string {
	if l.Username == "" {
		return "git"
	}
	return l.Username
}

// maxLogin bounds a user or a password.
const maxLogin = 1024

// Check says what is wrong with the login, in words that do not show it.
func (l Login) Check() error {
	switch {
	case l.Password == "":
		return errors.New("has no password: give {username, password}, or a token as the password")
	case strings.Contains(l.Username, ":"):
		return errors.New("has a colon in its username")
	}
	for _, text := range []string{l.Username, l.Password} {
		if len(text) > maxLogin {
			return fmt.Errorf("is longer than %d characters", maxLogin)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return errors.New("has control characters in it")
		}
	}
	return nil
}

// Credentials are logins by the origin that they are for: https://HOST or
// https://HOST:PORT.
type Credentials map[string]Login

// ReadCredentials reads a file as git credential-store keeps it: a line
// https://USERNAME:PASSWORD@HOST for each login. Nobody but its owner may be
// able to read the file. Errors tell the line and never what is in it.
func ReadCredentials(file string) (Credentials, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has the mode %v: it has to be a regular file that only its owner can read (chmod 600)", file, info.Mode())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	credentials := Credentials{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		origin, login, err := parseCredential(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of %s %w", number, file, err)
		}
		credentials[origin] = login
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("%s has a line that is too long", file)
	}
	return credentials, nil
}

func parseCredential(line string) (string, Login, error) {
	u, err := url.Parse(line)
	if err != nil || u.User == nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", Login{}, errors.New("is not https://USERNAME:PASSWORD@HOST, with what is special in them written as %XX")
	}
	password, _ := u.User.Password()
	login := Login{Username: u.User.Username(), Password: password}
	u.User = nil
	if err := errors.Join(checkURL(u), login.Check()); err != nil {
		return "", Login{}, err
	}
	return originOf(u), login, nil
}

// originOf gives the scheme, host and port of a URL, written in one way.
func originOf(u *url.URL) string {
	return strings.TrimSuffix(canonical(&url.URL{Scheme: u.Scheme, Host: u.Host}), "/")
}

// access is a login, and the one origin that may see it.
type access struct {
	origin string
	login  Login
}

// accessTo gives the login for a repository, or nil: the one of the request for
// what lies at the same origin, else the one that is configured for the origin.
func (f *fetch) accessTo(location string) (*access, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	origin := originOf(u)
	login, known := f.credentials[origin]
	if own, err := url.Parse(f.request.URL); err == nil && f.request.Login != nil && originOf(own) == origin {
		login, known = *f.request.Login, true
	}
	if !known {
		return nil, nil
	}
	if u.Scheme == "http" && !f.proxy.policy.names(u) {
		return nil, fail(Unsafe, location, "a password would cross the network in clear to %s: give an https URL, or run the daemon with --allow-git %s", origin, u.Host)
	}
	return &access{origin: origin, login: login}, nil
}

// The pipe on which git's helper reads the login, several times if it must: a
// redirect makes git ask again.
const (
	helper      = `!f() { test "$1" = get && IFS= read -r u <&3 && IFS= read -r p <&3 && printf '%s\n' "$u" "$p"; }; f`
	helperReads = 8
)

// setting has git ask the helper, and only for the origin: git looks for the
// login of the host that it is at, also after a redirect.
func (a *access) setting() string { return "credential." + a.origin + ".helper=" + helper }

// pipe gives the file that the helper reads. The login is nowhere else: not in
// the arguments, the environment or a file of the disk.
func (a *access) pipe() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	answer := fmt.Sprintf("username=%s\npassword=%s\n", a.login.username(), a.login.Password)
	if _, err := w.WriteString(strings.Repeat(answer, helperReads)); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// hide takes the login out of the words of a server, which may repeat it.
func (a *access) hide(text string) string {
	l := a.login
	basic := base64.StdEncoding.EncodeToString([]byte(l.username() + ":" + l.Password))
	return strings.NewReplacer(basic, "[hidden]", l.Password, "[hidden]", url.QueryEscape(l.Password), "[hidden]").Replace(text)
}

// signer shows the login to its origin, and to no other that a redirect leads
// to.
type signer struct {
	access *access
	base   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (s signer) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.access != nil && originOf(r.URL) == s.access.origin {
		r = r.Clone(r.Context())
		r.SetBasicAuth(s.access.login.username(), s.access.login.Password)
	}
	return s.base.RoundTrip(r)
}
