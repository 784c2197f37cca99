// Package whole measures the compiled daemon, over a real socket and on a real
// engine, beside what people would use instead: docker, websocketd in front of
// docker logs, the engine's own API, and go-ethereum's rpc server.
package whole
