// Package config reads the configuration file: settings by section, in TOML, each with its line number.
//
// Entry points: Load for a file, Parse for its bytes, Path for its default path, Example and Create for a new one. The
// caller passes the keys, with the kind and the check of each, so that a value means the same in the file and on the
// command line.
//
// Guaranteed: a file is used whole or not at all. An unknown key, a value of the wrong kind and a value that its check
// refuses are errors that name file and line, and suggest the key that was probably meant. A file that another user
// could write is refused: that user could make this one seed or connect at will. An existing file is never
// overwritten.
//
// The package knows no setting by name, and changes nothing that it reads.
package config
