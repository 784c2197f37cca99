// Package browsertest tests what the daemon serves to browsers: in Chromium,
// and, as far as dockwire.js goes, in Node too, against the compiled daemon and
// a real engine. It is a module of its own because of what drives Chromium.
package browsertest
