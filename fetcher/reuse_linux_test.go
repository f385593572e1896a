package fetcher_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/needs"
)

// btrfs gives a file system of its own that copies by reference.
func btrfs(t *testing.T) string {
	t.Helper()
	needs.Root(t)
	needs.Program(t, "mkfs.btrfs", "btrfs-progs")
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 160<<20); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func used(t *testing.T, dir string) int64 {
	t.Helper()
	unix.Sync()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

// Where the file system can, a file that is the same takes no room a second time, and is its own all the same.
func TestReuseByReference(t *testing.T) {
	disk := btrfs(t)
	data := noise(1, 20<<20+5)
	changed := bytes.Clone(data)
	for i := 10 << 20; i < 11<<20; i++ {
		changed[i]++
	}
	for _, format := range []string{"v1", "v2"} {
		m := build(t, format, 1<<20, item{path: "a", data: data}, item{path: "b", size: 1000})
		for name, old := range map[string][]byte{"the same": data, "a megabyte changed": changed, "longer": append(bytes.Clone(data), 1, 2, 3)} {
			t.Run(format+"/"+name, func(t *testing.T) {
				source, dir := filepath.Join(disk, "old"), filepath.Join(disk, "new")
				for _, d := range []string{source, dir} {
					if err := os.MkdirAll(d, 0o755); err != nil {
						t.Fatal(err)
					}
					defer os.RemoveAll(d)
				}
				if err := os.WriteFile(filepath.Join(source, "a"), old, 0o644); err != nil {
					t.Fatal(err)
				}
				before := used(t, disk)
				p, s, _ := open(t, m, fetcher.Options{Dir: dir})
				got, err := s.Reuse(t.Context(), fetcher.Reuse{Places: []string{source}})
				if err != nil || got < m.Size-5<<20 {
					t.Fatalf("got %d, %v, want nearly %d", got, err, m.Size)
				}
				transfer(t, m, s, m.view(format == "v1"), p.Wanted(), nil)
				finish(t, s, dir)
				m.check(t, dir, nil)
				if more := used(t, disk) - before; more > 12<<20 {
					t.Errorf("%d bytes of the disk were taken for %d that are there twice", more, m.Size)
				}
				if err := os.WriteFile(filepath.Join(source, "a"), noise(7, len(old)), 0o644); err != nil {
					t.Fatal(err)
				}
				m.check(t, dir, nil)
			})
		}
	}
}
