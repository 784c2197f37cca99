package access

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// Scope is what a token allows. A wider scope allows all that a narrower one
// does.
type Scope int

// The scopes. The zero Scope allows nothing, so that what has none cannot be
// called.
const (
	None   Scope = iota
	Read         // look: list, logs, top …
	Deploy       // change: build, create, start, remove …
	Admin        // all, the engine's own documents included
)

var scopeNames = [...]string{"none", "read", "deploy", "admin"}

// String gives the name of the scope.
func (s Scope) String() string { return scopeNames[s] }

// Allows says whether a caller with the scope s may do what needs the scope
// needed.
func (s Scope) Allows(needed Scope) bool { return needed != None && s >= needed }

// MarshalText implements encoding.TextMarshaler.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes the name of a
// scope that a token can have.
func (s *Scope) UnmarshalText(text []byte) error {
	i := slices.Index(scopeNames[:], string(text))
	if i <= int(None) {
		return fmt.Errorf("the scope %q is none of read, deploy and admin", text)
	}
	*s = Scope(i)
	return nil
}

// Names are the patterns of the names that a token is good for: of containers,
// images, volumes, networks and custom domains alike. They are those of
// path.Match, but that the pattern * alone is every name. No patterns are no
// name.
type Names []string

// Match says whether one of the patterns is good for a name.
func (n Names) Match(name string) bool {
	return n.All() || slices.ContainsFunc(n, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // a bad pattern is good for nothing
		return ok
	})
}

// All says that the patterns are good for every name.
func (n Names) All() bool { return slices.Contains(n, "*") }

// Check refuses patterns that cannot be meant.
func (n Names) Check() error {
	for _, pattern := range n {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("the pattern %q is not one: * stands for any characters, ? for one, [a-c] for one of a range", pattern)
		}
	}
	if len(n) == 0 {
		return errors.New("a token without a pattern of names could touch nothing: * is every name")
	}
	return nil
}

// Caller is who calls.
type Caller struct {
	ID    string // of the token, for the log and for what it creates
	Scope Scope
	Names Names
}

// Owner says whose that is what the caller creates. Whoever administers the daemon
// is one owner, by the admin token and by the Unix socket alike.
func (c Caller) Owner() string {
	if c.ID == localID {
		return adminID
	}
	return c.ID
}

// Sees says whether the caller may know of what has that name.
func (c Caller) Sees(name string) bool { return c.Names.Match(name) }
