// Package bench holds the benchmarks that measure dockwire beside what people
// would use instead. It is a module of its own, so that nothing of it is needed
// to build dockwire.
//
//	calls    package rpc beside go-ethereum's rpc and the sourcegraph library
//	proxies  the ingress beside nginx and Caddy
//	whole    the compiled daemon beside docker, websocketd and the engine itself
//
// All of a benchmark's contenders take turns in one run, and what is printed at
// the end are the ratios of their turns: the least, the median and the greatest
// of five or more.
//
//	go test -bench . ./...
package bench
