// Package bench measures the ingress beside nginx and Caddy, which proxy to the
// same container in the same run, each in a process of its own.
//
//	go test -bench .
//
// prints what each answers in a second, and how long answers take at a constant
// rate, which does not wait for them. It is a module of its own, so that
// nothing of it is needed to build dockwire.
package bench
