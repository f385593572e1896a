//go:build unix

package osfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pshare/p2pshare/internal/osfs"
)

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode        os.FileMode
		write, read bool
	}{
		{0o600, false, false}, {0o640, false, true}, {0o604, false, true}, {0o620, true, true}, {0o602, true, true}, {0o700, false, false}, {0o755, false, true},
	} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if w, r := osfs.OthersMayWrite(info), osfs.OthersMayRead(info); w != c.write || r != c.read {
			t.Errorf("mode %04o: others may write %t and read %t, want %t and %t", c.mode, w, r, c.write, c.read)
		}
		if uid, ok := osfs.Owner(info); !ok || uid != os.Geteuid() {
			t.Errorf("got owner %d, %t, want %d", uid, ok, os.Geteuid())
		}
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	if free, err := osfs.Free(dir); err != nil || free == 0 {
		t.Errorf("free space: got %d, %v", free, err)
	}
	if _, err := osfs.Free(filepath.Join(dir, "gone")); err == nil {
		t.Error("the free space of a missing folder: got no error")
	}
	if err := osfs.SyncDir(dir); err != nil {
		t.Error(err)
	}
	if err := osfs.SyncDir(filepath.Join(dir, "gone")); err == nil {
		t.Error("syncing a missing folder: got no error")
	}
}
