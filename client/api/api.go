// Package api holds the wire types of dockwire: what the methods take, what
// they answer, what their streams carry, and the codes of their errors.
//
// The daemon, the engine and the Go client all use these types, so that a
// value has one shape from the engine to the caller. The order of the fields of
// a parameter struct is the order of the positional parameters; a field without
// omitempty is required.
//
// Sizes are bytes, times are RFC 3339 in UTC with nanoseconds, CPU percent is
// of one core.
package api
