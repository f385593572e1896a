package node_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestOwnNames: files under made names are found by the names that a receipt has, and others are left as they are.
func TestOwnNames(t *testing.T) {
	dir := t.TempDir()
	made := names.Of("a:b").Made[0]
	for _, name := range []string{made, "plain", "stray"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	if got, want := node.OwnNames(dir, []string{"a:b", "plain", "gone?", "../x"}), map[string]string{made: "a:b"}; !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := node.OwnNames(filepath.Join(dir, "plain"), []string{""}); len(got) > 0 {
		t.Errorf("of a file: got %q, want nothing", got)
	}
}
