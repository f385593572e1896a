// Package cli is the command line: it reads the words, carries them to a node as requests, and shows
// what happens.
//
// Entry point: Main. Everything of the process comes in through Env, so the tests run whole commands
// with a Backend of their own. One file a command: its options, its run function, its help.
//
// A flag goes before its environment variable, which goes before the configuration file (settings.go has the table of
// both). Where a daemon answers, the Backend is that daemon: handover.go has what that means for publish, fetch and seed.
//
// Commands may have several words (group user add): arrange.go finds them, and command.go says what their levels mean.
//
// Guaranteed: stdout carries the answer alone, stderr the talk; with --json stdout carries objects,
// one a line, each with a version and a type, and the last one of a failed run has the type error.
// Every name that comes from a torrent or a group is shown escaped, so it cannot steer a terminal. Every failure
// has an exit code of exit.go and, where there is a way out, a hint.
//
// The package holds no rules of sharing. What a request means is the node's to say.
package cli
