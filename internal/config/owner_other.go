//go:build !unix

package config

import "io/fs"

// checkOwner has nothing to go by: who may write is not in the file's mode here.
func checkOwner(string, fs.FileInfo) error { return nil }
