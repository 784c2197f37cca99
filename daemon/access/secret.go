package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/dockwire/dockwire/daemon/durable"
)

// hash stands for a secret wherever one is kept. The secrets have 256 bits of
// chance, so that there is nothing to guess, and no salt or slow hash is needed.
type hash [sha256.Size]byte

func hashOf(secret string) hash { return sha256.Sum256([]byte(secret)) }

// equals takes the same time whatever the difference.
func (h hash) equals(other hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// MarshalText implements encoding.TextMarshaler.
func (h hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hash) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(h[:], text[:min(len(text), 2*len(h))]); err != nil || n != len(h) || len(text) != 2*n {
		return errors.New("a hash is 64 hexadecimal digits")
	}
	return nil
}

const secretPrefix = "dw_" // makes a leaked one easy to find

func newSecret() string {
	var secret [32]byte
	rand.Read(secret[:])
	return secretPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
}

// adminSecret reads the hash of the admin token from its file, which is made,
// of mode 0600, if there is none.
func adminSecret(path string) (hash, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data = []byte(newSecret() + "\n")
		err = durable.WriteFile(path, data)
	}
	if err != nil {
		return hash{}, fmt.Errorf("read or make the admin token: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if len(secret) < 32 {
		return hash{}, fmt.Errorf("the file %s holds no token: remove it, and a new one is made at the next start", path)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return hash{}, fmt.Errorf("keep the admin token to its owner: %w", err)
	}
	return hashOf(secret), nil
}

// presented gives the secret that a request shows: in its Authorization header,
// or, from a browser, which cannot set that, as a subprotocol. It is never
// looked for in the URL, since URLs end up in logs.
func presented(r *http.Request) (string, bool) {
	if scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret), true
	}
	for _, offered := range r.Header.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(offered, ",") {
			encoded, ok := strings.CutPrefix(strings.TrimSpace(protocol), "bearer.")
			if !ok {
				continue
			}
			secret, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
			return string(secret), err == nil
		}
	}
	return "", false
}
