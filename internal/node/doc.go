// Package node wires the parts into what a user asks for: each verb (publish, fetch, seed, verify) is
// one file that names its steps. A Node owns the engine and the home folder.
//
// Entry points: Open, then Publish, Fetch, Seed and Verify, which report what happens as Events and
// return when it is over. The requests and events are plain data, fit to travel as JSON.
//
// It guarantees that a request that fails says why and what to do, with a kind of package fault; that
// ctx ends everything that a request started; and that nothing is printed.
package node
