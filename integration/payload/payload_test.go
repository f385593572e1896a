package payload_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/integration/payload"
)

func TestSameSeesEveryDifference(t *testing.T) {
	for _, tree := range payload.Trees() {
		a, err := tree.Make(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		b, err := tree.Make(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := payload.Same(a, b); err != nil {
			t.Errorf("%s made twice: %v, want the same", tree.Title, err)
		}
	}
	tests := []struct {
		name, want string
		harm       func(dir string) error
	}{
		{"a bit flipped", "differs", func(d string) error {
			p := filepath.Join(d, "file-00.bin")
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			b[0] ^= 1
			return os.WriteFile(p, b, 0o644)
		}},
		{"a file removed", "is missing", func(d string) error { return os.Remove(filepath.Join(d, "file-00.bin")) }},
		{"a file added", "should not be", func(d string) error { return os.WriteFile(filepath.Join(d, "new"), nil, 0o644) }},
	}
	for _, tc := range tests {
		a, err := payload.Folder.Make(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		b, err := payload.Folder.Make(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := tc.harm(b); err != nil {
			t.Fatal(err)
		}
		if err := payload.Same(a, b); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
	}
}
