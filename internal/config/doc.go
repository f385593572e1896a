// Package config reads the configuration file: settings by section, in TOML, each with the line it stands on.
//
// Entry points: Load for a file, Parse for its bytes, Path for its usual place, Example and Create for a new
// one. The caller says which keys there are, of which kind, and how a value is judged, so that a value in the
// file means what it means on the command line.
//
// Guaranteed: a file is used whole or not at all. A key that is not known, a value of another kind and a value
// that its judge refuses are errors that name file and line, and where it is near, the key that was meant. A
// file that another user could write is refused: who can write it can have this user seed or connect as they
// like. A file is never written over.
//
// The package knows no setting by name, and changes nothing that it reads.
package config
