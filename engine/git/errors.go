package git

import (
	"errors"
	"fmt"
	"regexp"
	"syscall"
)

// Kind says what an Error is about.
type Kind string

// The kinds of errors.
const (
	Repository Kind = "repository" // it cannot be reached, or is none, or is empty
	Ref        Kind = "ref"        // the repository has no such ref
	Dir        Kind = "dir"        // the commit has no such directory
	File       Kind = "file"       // the directory has no such file, or not one that may be read
	Submodule  Kind = "submodule"  // a submodule cannot be fetched
	Refused    Kind = "address"    // the policy does not let us go there
	Unsafe     Kind = "credential" // the login would be sent in clear
	Limit      Kind = "limit"      // a limit was reached; Name says which
)

// Error is an error that somebody can act on: with another URL, ref or
// directory, or by allowing an address.
type Error struct {
	Kind   Kind
	Name   string // of what Kind says
	Reason string // a sentence
	Err    error  // the cause, if any
}

// Error gives the sentence.
func (e *Error) Error() string { return e.Reason }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// outOfSpace is how git says that a disk is full: in the system's words, or in
// its own.
var outOfSpace = regexp.MustCompile(`(?i)no space left on device|out of diskspace`)

func diskFull(err error) bool {
	var said *gitError
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.As(err, &said) && outOfSpace.MatchString(said.words)
}

func fail(kind Kind, name, format string, args ...any) *Error {
	return &Error{Kind: kind, Name: name, Reason: fmt.Sprintf(format, args...)}
}
