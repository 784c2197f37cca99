// Package calls measures package rpc beside others that do the same work: the
// plain sourcegraph library on gorilla, go-ethereum's rpc server, and, as the
// bound that nothing passes, an echo on gorilla.
package calls
