//go:build unix

package osfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first := open()
	if err := Exclusive(first); err != nil {
		t.Fatal(err)
	}
	for name, lock := range map[string]func(*os.File) error{"exclusive": Exclusive, "shared": Shared} {
		if err := lock(open()); !errors.Is(err, ErrHeld) {
			t.Errorf("%s lock of a locked file: got %v, want ErrHeld", name, err)
		}
	}
	first.Close()
	if err := errors.Join(Shared(open()), Shared(open())); err != nil {
		t.Errorf("two shared locks: %v", err)
	}
}

// TestJudge: every answer of a system without locks is recognised, and no other one is taken for it.
func TestJudge(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{nil, nil},
		{unix.EWOULDBLOCK, ErrHeld},
		{unix.EAGAIN, ErrHeld},
		{unix.ENOLCK, ErrNoLocks},
		{unix.EOPNOTSUPP, ErrNoLocks},
		{unix.ENOTSUP, ErrNoLocks},
		{unix.ENOSYS, ErrNoLocks},
		{unix.EINVAL, ErrNoLocks},
		{fmt.Errorf("wrapped: %w", unix.ENOLCK), ErrNoLocks},
		{unix.EIO, unix.EIO},
		{unix.EBADF, unix.EBADF},
		{unix.EINTR, unix.EINTR},
	} {
		if got := judge(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}
