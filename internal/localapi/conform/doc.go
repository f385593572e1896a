// Package conform tests what a daemon's node promises to its callers, wherever it is: in this process, or behind a
// socket. Run is the suite; it is given how to open a backend on a home.
package conform
