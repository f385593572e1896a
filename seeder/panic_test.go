package seeder_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/seeder"
)

// TestPanicWhileHashing checks that a panic becomes the error of its build instead of ending the process.
func TestPanicWhileHashing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := seeder.Build(t.Context(), seeder.Options{Path: path, Workers: 1, Progress: func(int64, int64) { panic("planted") }})
	if bug, ok := errors.AsType[*panics.Error](err); !ok || bug.Value != "planted" {
		t.Errorf("got %v, want the panic", err)
	}
}
