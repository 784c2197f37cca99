// Package torture tests what is left when the daemon or the engine dies, when
// events are lost, when a disk is full, and after long and hard work: the
// compiled daemon on an engine of the tests' own, in namespaces of their own. A
// module of its own holds it, because nothing else needs a checker of
// linearizability.
package torture
