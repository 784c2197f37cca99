package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/dockwire/dockwire/daemon/durable"
)

// Token knows a token by its hash.
type Token struct{ hash [sha256.Size]byte }

func (t Token) equals(presented string) bool {
	hash := sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1
}

const tokenPrefix = "dw_" // makes a leaked one easy to find

// AdminToken reads the admin token from a file, which is made, with 256 bits of
// chance and mode 0600, if there is none.
func AdminToken(path string) (Token, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = newToken(), nil
		if err := durable.WriteFile(path, data); err != nil {
			return Token{}, fmt.Errorf("make the admin token: %w", err)
		}
	}
	if err != nil {
		return Token{}, fmt.Errorf("read the admin token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < 32 {
		return Token{}, fmt.Errorf("the file %s holds no token: remove it, and a new one is made at the next start", path)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return Token{}, fmt.Errorf("keep the admin token to its owner: %w", err)
	}
	return Token{hash: sha256.Sum256([]byte(token))}, nil
}

func newToken() []byte {
	var secret [32]byte
	rand.Read(secret[:])
	return []byte(tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:]) + "\n")
}

// presented gives the token that a request shows: in its Authorization header,
// or, from a browser, which cannot set that, as a subprotocol. It is never
// looked for in the URL, since URLs end up in logs.
func presented(r *http.Request) (string, bool) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), true
	}
	for _, offered := range r.Header.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(offered, ",") {
			encoded, ok := strings.CutPrefix(strings.TrimSpace(protocol), "bearer.")
			if !ok {
				continue
			}
			token, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
			return string(token), err == nil
		}
	}
	return "", false
}
