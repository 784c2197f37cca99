// Package bench measures package rpc beside others that do the same work, in
// one run: the plain sourcegraph library on gorilla, go-ethereum's rpc server,
// and, as the bound that nothing passes, an echo on gorilla.
//
//	go test -bench .
//
// prints what each makes in a second, and the ratios. It is a module of its own,
// so that nothing of it is needed to build dockwire.
package bench
