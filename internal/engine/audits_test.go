package engine

import (
	"testing"
	_ "unsafe" // for go:linkname
)

//go:linkname audit github.com/anacrolix/torrent/internal/amortize.Try
func audit() bool

func TestClientDoesNotAuditItself(t *testing.T) {
	for range 1 << 12 {
		if audit() {
			t.Fatal("the client compares its books, and panics when they differ for a moment")
		}
	}
}
