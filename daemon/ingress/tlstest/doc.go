// Package tlstest tries what the daemon's listeners do over TLS: certificates
// from Pebble, an authority for tests that speaks ACME, and HTTP/2 as h2spec
// wants it. It is a module of its own, so that nothing of them is needed to
// build dockwire.
package tlstest
