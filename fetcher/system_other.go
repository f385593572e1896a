//go:build !linux

package fetcher

import "os"

// syncAll is not to be had here; see canSyncAll.
func syncAll(f *os.File) error { return f.Sync() }

const canSyncAll = false

func syncData(f *os.File) error { return f.Sync() }

// nextData calls everything data: holes cannot be told here, so what is not proven is hashed.
func nextData(_ *os.File, off, size int64) (data, hole int64) { return off, size }
