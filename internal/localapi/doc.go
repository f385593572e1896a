// Package localapi is a node seen over a unix socket: the daemon's server, and the client that commands use
// instead of a node of their own.
//
// Entry points: Listen makes the socket of a home, Server serves a Backend on it, Dial finds the daemon of a home
// and gives a Client, which is a Backend again. What a Backend promises, package conform tests on both.
//
// The wire is HTTP/1.1 with JSON bodies, one request a connection. Every path begins with the version of the
// protocol, /v1. Status, change, remove and limit answer with one object; publish, fetch, seed, verify, doctor,
// group and catalog answer with a line for each event and a last line that holds the end. An error travels with its
// kind and hint (package fault). Who shuts down the sending half of the connection detaches: the request's context
// ends, and the end still comes back.
//
// Guaranteed: only processes of the daemon's own user are served, and the client speaks to nobody but its own user
// or root; nothing that a browser could send is carried out; a reader that is slow or gone holds nothing up; what
// is under way at a time is bounded, and the rest waits or is told to come again.
//
// It never listens on a network, and never decides what a request means: that is the node's.
package localapi
