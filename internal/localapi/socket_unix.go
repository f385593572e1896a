//go:build unix

package localapi

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// bind makes the socket in a folder that only this user may enter, and moves it to path with its mode set:
// between bind and chmod of a socket in an open folder, others could connect.
func bind(path, prefix string) (net.Listener, error) {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), prefix+"*")) // by a process that was killed just here
	if err != nil {
		return nil, err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), prefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	at := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would remove the name it had first
	if err := os.Chmod(at, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	if err := os.Rename(at, path); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
