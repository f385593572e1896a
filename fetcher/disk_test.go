//go:build linux

package fetcher_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/anacrolix/torrent/storage"
	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/needs"
)

// mount gives a small file system of its own, where the test may.
func mount(t *testing.T, options string) string {
	t.Helper()
	needs.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The disk fills up under way: a clear error, nothing in the target, and the rest follows once there
// is room.
func TestDiskFull(t *testing.T) {
	m := build(t, "v1", 1<<16, item{path: "a", size: 300000}, item{path: "b", size: 300000})
	dir := mount(t, "size=400k")
	plan, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, FreeSpace: func(string) (uint64, error) { return 1 << 30, nil }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fetcher.Open(t.Context(), plan, quiet())
	if err != nil {
		t.Fatal(err)
	}
	info := m.view(true)
	impl := storageOf(t, s, info)
	for i := range m.Pieces {
		p := impl.Piece(info.Piece(i))
		if _, err := p.WriteAt(m.pieceBytes(info, i), 0); err == nil {
			_ = p.MarkComplete()
		}
	}
	select {
	case err = <-s.WriteErr():
	case <-time.After(10 * time.Second):
		t.Fatal("no error came")
	}
	if !errors.Is(err, syscall.ENOSPC) || fault.HintOf(err) == "" {
		t.Errorf("got %v, want the disk to be full, with a hint", err)
	}
	if _, err := s.Finish(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Finish: got %v, want the disk to be full", err)
	}
	s.Close()
	if _, err := os.Lstat(plan.Target()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target is there (%v)", err)
	}

	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=10m"); err != nil {
		t.Fatal(err)
	}
	plan, s, proven := open(t, m, fetcher.Options{Dir: dir})
	if proven < 3<<16 {
		t.Errorf("proven: got %d, want most of what was written", proven)
	}
	transfer(t, m, s, info, plan.Wanted(), nil)
	finish(t, s, dir)
	m.check(t, dir, nil)
}

// The disk fills up while a piece is hashed: that is no fault of who sent it, and the fetch is told.
func TestDiskFullWhileHashing(t *testing.T) {
	m := build(t, "v1", 1<<18, item{path: "a", size: 1 << 18})
	dir := mount(t, "size=100k")
	plan, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir, FreeSpace: func(string) (uint64, error) { return 1 << 30, nil }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fetcher.Open(t.Context(), plan, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info := m.view(true)
	p := storageOf(t, s, info).Piece(info.Piece(0))
	if _, err := p.WriteAt(m.pieceBytes(info, 0), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := p.(storage.SelfHashing).SelfHash(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("SelfHash: got %v, want the disk to be full", err)
	}
	select {
	case err := <-s.WriteErr():
		if !errors.Is(err, syscall.ENOSPC) || fault.HintOf(err) == "" {
			t.Errorf("got %v, want the disk to be full, with a hint", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no error came")
	}
	if err := p.MarkComplete(); err == nil || p.Completion().Complete {
		t.Errorf("MarkComplete: got %v, want a piece that is not on disk to be refused", err)
	}
}

func TestReadOnlyTarget(t *testing.T) {
	m := tree(t, "v1")
	dir := mount(t, "size=1m")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, below := range []string{"", "new/folder"} {
		p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: filepath.Join(dir, below)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = fetcher.Open(t.Context(), p, quiet())
		if !errors.Is(err, syscall.EROFS) || fault.HintOf(err) == "" {
			t.Errorf("%q: got %v, want a read-only file system, with a hint", below, err)
		}
	}
}

// Somebody else's staging folder is not used.
func TestForeignStaging(t *testing.T) {
	needs.Root(t)
	m := tree(t, "v1")
	for name, spoil := range map[string]func(string) error{
		"owner": func(dir string) error { return os.Chown(dir, 12345, 12345) },
		"mode":  func(dir string) error { return os.Chmod(dir, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			base := filepath.Join(dir, ".p2pshare")
			if err := os.Mkdir(base, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := spoil(base); err != nil {
				t.Fatal(err)
			}
			p, err := fetcher.NewPlan(m.Torrent, fetcher.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = fetcher.Open(t.Context(), p, quiet()); fault.KindOf(err) != fault.Denied || fault.HintOf(err) == "" {
				t.Errorf("got %v, want an error of kind Denied with a hint", err)
			}
		})
	}
}
