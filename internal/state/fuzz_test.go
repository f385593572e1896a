package state_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/internal/state"
)

// FuzzReadVersioned: a file is accepted only if it is, byte for byte, what WriteVersioned writes.
func FuzzReadVersioned(f *testing.F) {
	type doc struct {
		Name string `json:"name,omitempty"`
		N    int    `json:"n"`
	}
	path := filepath.Join(f.TempDir(), "doc.json")
	for _, d := range []doc{{"a", 1}, {"", 0}, {"\u2028\x00", -5}} {
		if err := state.WriteVersioned(path, 3, d); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"version":3,"sum":"0000000000000000000000000000000000000000000000000000000000000000","n":1}`))
	f.Add([]byte(`{"version":1e9}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var d doc
		if state.ReadVersioned(path, 3, &d) != nil {
			return
		}
		if err := state.WriteVersioned(path, 3, d); err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), bytes.TrimSuffix(b, []byte("\n"))) {
			t.Fatalf("%q was accepted, but is written as %q", b, again)
		}
	})
}
