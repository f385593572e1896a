//go:build unix

package fetcher_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/fetcher"
)

// FIFOs and sockets that are called like the files are waited for by nobody.
func TestReuseOpensNoFIFO(t *testing.T) {
	a := noise(1, 300<<10)
	m := build(t, "v1", reusePiece, item{path: "a", data: a})
	old := put(t, map[string][]byte{"other": a})
	fifo := filepath.Join(old, "a")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := reused(t, m, fetcher.Reuse{Places: []string{fifo, old}, Sums: sumsOf(m)}); got != m.Size {
		t.Errorf("reused %d bytes, want %d from beside the FIFO", got, m.Size)
	}
}
