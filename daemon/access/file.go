package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"

	"github.com/dockwire/dockwire/daemon/durable"
)

// fileVersion is the version of the file of the tokens that this code reads and
// writes.
const fileVersion = 1

// tokenFile is the file of the tokens.
type tokenFile struct {
	Version int     `json:"version"`
	Tokens  []entry `json:"tokens"`
}

// entry is a token as the file keeps it.
type entry struct {
	Token
	Hash hash `json:"hash"`
}

var tokenID = regexp.MustCompile(`^[0-9a-f]{12}$`)

func tokensPath(dir string) string { return filepath.Join(dir, "tokens.json") }

// useDir holds a file for each token, whose time says when it was last used.
func useDir(dir string) string { return filepath.Join(dir, "token-use") }

func usePath(dir, id string) string { return filepath.Join(useDir(dir), id) }

// readTokens reads the tokens of a state directory. A file that is not there
// has none; one that is not whole, or not understood, is an error.
func readTokens(dir string) ([]entry, error) {
	path := tokensPath(dir)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	var version struct{ Version int }
	if err := json.Unmarshal(data, &version); err == nil && version.Version > fileVersion {
		return nil, fmt.Errorf("%s is of version %d, which a newer dockwire wrote: run that one", path, version.Version)
	}
	entries, err := parseTokens(data)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): put a copy of it back, or remove it and make the tokens anew", path, err)
	}
	return entries, nil
}

// parseTokens is strict, so that no bound of a token goes unseen.
func parseTokens(data []byte) ([]entry, error) {
	if len(data) == 0 {
		return nil, errors.New("it is empty")
	}
	var file tokenFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, err
	}
	if dec.More() || file.Version != fileVersion {
		return nil, errors.New("it is no list of tokens")
	}
	for _, e := range file.Tokens {
		if !tokenID.MatchString(e.ID) || e.Scope == None || e.Hash == (hash{}) || e.Names.Check() != nil {
			return nil, fmt.Errorf("the token %q is not whole", e.ID)
		}
	}
	return file.Tokens, nil
}

// changeTokens changes the file. Only one process does so at a time.
func changeTokens(dir string, change func([]entry) ([]entry, error)) error {
	unlock, err := lockDir(dir, 0)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := readTokens(dir)
	if err != nil {
		return err
	}
	if entries, err = change(slices.Clone(entries)); err != nil {
		return err
	}
	data, err := json.MarshalIndent(tokenFile{Version: fileVersion, Tokens: entries}, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(tokensPath(dir), append(data, '\n'))
}

// tidyDir removes what a write left that was cut off. If a command is changing
// the tokens at the moment, that is left to the next start.
func tidyDir(dir string) error {
	unlock, err := lockDir(dir, syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return durable.Tidy(dir)
}

// lockDir waits until no other process changes the tokens in a directory; with
// LOCK_NB it fails with EWOULDBLOCK when one does. The lock is on the directory itself: a file for it would belong to whoever came
// first, and others could not open it.
func lockDir(dir string, how int) (unlock func(), err error) {
	file, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s; the daemon makes it when it is first started", ErrNoState, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the state directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|how); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock the state directory %s: %w", dir, err)
	}
	return func() { file.Close() }, nil
}
