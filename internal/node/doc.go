// Package node wires the parts into what a user asks for: each verb (publish, fetch, seed, verify) is
// one file that names its steps. A Node owns the engine and the home folder.
//
// Entry points: Open, then Publish, Fetch, Seed and Verify, which report what happens as Events and
// return when it is over; Status, Change, Remove, Limit and Doctor for what the home keeps; Group and
// Catalog for the groups it is in. The requests, answers and events are plain data, fit to travel as JSON.
//
// With Options.Daemon a node takes the home for itself and has a keeper (keep*.go, item.go, care.go): a
// share goes on when its caller goes, and after a crash. Groups are in group*.go; swarm.go says among whom a torrent
// moves, and never lets one of a private group out of it, whoever asks for it and however.
//
// It guarantees that a request that fails says why and what to do, with a kind of package fault; that
// without Daemon ctx ends everything that a request started, and with it only what was not kept
// (Event.Kept); and that nothing is printed.
package node
