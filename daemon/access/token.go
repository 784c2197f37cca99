package access

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Token is what is known of a token. Nobody knows its secret but who was given
// it. All times are UTC.
type Token struct {
	ID      string    `json:"id"`
	Scope   Scope     `json:"scope"`
	Names   Names     `json:"names"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Used    time.Time `json:"used,omitzero"`    // when a connection was last made with it; zero: never
}

// Expired says whether the token has ceased to be good.
func (t Token) Expired() bool { return !t.Expires.IsZero() && !time.Now().Before(t.Expires) }

var (
	// ErrNoState says that there is no such state directory.
	ErrNoState = errors.New("there is no state directory")

	// ErrNoToken says that there is no token with the id that was given.
	ErrNoToken = errors.New("there is no token with that id")
)

// CreateToken makes a token in a state directory, with a scope, for what has
// names that the patterns match, and good until expires unless that is zero. It
// gives the secret, which is kept nowhere. A daemon that runs takes the token
// from then on.
func CreateToken(dir string, scope Scope, names Names, expires time.Time) (Token, string, error) {
	if err := names.Check(); err != nil {
		return Token{}, "", err
	}
	secret := newSecret()
	token := Token{ID: newID(), Scope: scope, Names: names, Created: time.Now().UTC().Truncate(time.Second), Expires: expires}
	err := changeTokens(dir, func(entries []entry) ([]entry, error) {
		return append(entries, entry{token, hashOf(secret)}), nil
	})
	return token, secret, err
}

func newID() string {
	var id [6]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// ListTokens gives the tokens of a state directory, the oldest first, without
// the admin's.
func ListTokens(dir string) ([]Token, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoState, dir)
	}
	entries, err := readTokens(dir)
	tokens := make([]Token, len(entries))
	for i, e := range entries {
		tokens[i] = e.Token
		if info, err := os.Stat(usePath(dir, e.ID)); err == nil {
			tokens[i].Used = info.ModTime().UTC().Truncate(time.Second)
		}
	}
	return tokens, err
}

// RevokeToken makes a token good for nothing. A daemon that runs refuses the
// next call on its open connections, and ends their streams within a second.
func RevokeToken(dir, id string) error {
	err := changeTokens(dir, func(entries []entry) ([]entry, error) {
		i := slices.IndexFunc(entries, func(e entry) bool { return e.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%w: %q", ErrNoToken, id)
		}
		return slices.Delete(entries, i, i+1), nil
	})
	if err != nil {
		return err
	}
	if err := os.Remove(usePath(dir, id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
