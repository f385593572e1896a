package localapi

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

const (
	socketName = "p2pshare.sock"

	// placeName is the file in a home whose path is too long for a socket; it names the socket.
	placeName    = "socket"
	placeVersion = 1

	// bindPrefix begins the name of the folder that a socket is made in. With what MkdirTemp adds it is three bytes
	// longer than the socket's name, which maxSocketPath leaves room for.
	bindPrefix = ".s-"
)

// names are those of a socket in a home, and of what belongs to it.
type names struct{ socket, place, bind string }

var (
	ofDaemon = names{socketName, placeName, bindPrefix}
	ofGroups = names{"groups.socket", "groups-socket", ".g-"} // no longer than the daemon's, for maxSocketPath
)

// place is the content of the file placeName.
type place struct {
	Path string `json:"path"`
}

// Listen makes the socket of a home, which the caller holds the lock of, so that one that is there is stale and
// is replaced. Nobody else can connect at any moment. When the home's path is too long for a socket, it is made
// in a folder below runtimeDir, or, if that is empty or too long as well, the system's folder for temporary
// files. Closing the listener removes what was made.
func Listen(home, runtimeDir string) (net.Listener, error) {
	return ofDaemon.listen(home, runtimeDir)
}

// ListenGroups is Listen for a process in a terminal that holds the groups of a home: others hand to it what is asked of them.
func ListenGroups(home, runtimeDir string) (net.Listener, error) {
	return ofGroups.listen(home, runtimeDir)
}

func (n names) listen(home, runtimeDir string) (net.Listener, error) {
	h, err := state.Open(home)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(h.Dir())
	if err != nil {
		return nil, fmt.Errorf("finding the home: %w", err)
	}
	if path := filepath.Join(real, n.socket); len(path) <= maxSocketPath {
		l, err := bind(path, n.bind)
		if err != nil {
			return nil, fmt.Errorf("making the socket: %w", err)
		}
		return &socket{Listener: l, made: []string{path}}, nil
	}
	dir, err := n.placeElsewhere(real, runtimeDir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, n.socket)
	l, err := bind(path, n.bind)
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	file := filepath.Join(real, n.place)
	if err := state.WriteVersioned(file, placeVersion, place{path}); err != nil {
		return nil, errors.Join(fmt.Errorf("writing where the socket is: %w", err), l.Close())
	}
	return &socket{Listener: l, made: []string{path, dir, file}}, nil
}

// SocketPath is where a home's daemon answers; fs.ErrNotExist if the home, or a daemon that tells, is not there.
func SocketPath(home string) (string, error) { return ofDaemon.path(home) }

func (n names) path(home string) (string, error) {
	real, err := filepath.EvalSymlinks(home)
	if err != nil {
		return "", err
	}
	if path := filepath.Join(real, n.socket); len(path) <= maxSocketPath {
		return path, nil
	}
	var p place
	if err := state.ReadVersioned(filepath.Join(real, n.place), placeVersion, &p); err != nil {
		return "", err
	}
	if !filepath.IsAbs(p.Path) || len(p.Path) > maxSocketPath {
		return "", fmt.Errorf("the home %q names the socket %q, which cannot be", home, p.Path)
	}
	return p.Path, nil
}

// placeElsewhere is a folder of this user's alone with a short path: that of the daemon before, or a new one.
func (n names) placeElsewhere(real, runtimeDir string) (string, error) {
	if old, err := n.path(real); err == nil && checkFolder(filepath.Dir(old)) == nil {
		return filepath.Dir(old), nil
	}
	for _, parent := range []string{runtimeDir, os.TempDir(), "/tmp"} {
		// MkdirTemp makes it 0700 under a name nobody could know and take before.
		if !filepath.IsAbs(parent) || len(filepath.Join(parent, "p2pshare-1234567890", n.socket)) > maxSocketPath {
			continue
		}
		if dir, err := os.MkdirTemp(parent, "p2pshare-"); err == nil {
			return dir, nil
		}
	}
	return "", fault.Hint(fmt.Errorf("the path of the home %q is too long for a socket, and there is no folder for it elsewhere", real),
		"name a home with a shorter path, or set XDG_RUNTIME_DIR")
}

// checkFolder refuses a folder in which somebody else may have made the socket.
func checkFolder(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fault.New(fault.Denied, "%q, which holds the socket, is no folder", dir)
	}
	if uid, ok := ownerOf(info); ok && uid != os.Geteuid() {
		return fault.New(fault.Denied, "the folder of the socket, %q, belongs to user %d, and this is user %d", dir, uid, os.Geteuid())
	} else if ok && info.Mode().Perm()&0o022 != 0 {
		return fault.Hint(fault.New(fault.Denied, "other users may write to the folder of the socket, %q", dir), "run: chmod 700 %q", dir)
	}
	return nil
}

// checkSocket refuses a socket that somebody else made. Root may have: systemd makes those of system units.
func checkSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	uid, ok := ownerOf(info)
	if !ok {
		return nil
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fault.Hint(fault.New(fault.Denied, "%q is no socket", path), "move it away; p2pshare daemon makes one there")
	}
	if uid != os.Geteuid() && uid != 0 {
		return fault.Hint(fault.New(fault.Denied, "the socket %q belongs to user %d, and this is user %d", path, uid, os.Geteuid()),
			"remove it, or name another home with --home")
	}
	return nil
}

// checkPeer refuses the process at the other end if it is another user's. Where the system does not tell, the
// modes of folder and socket have to do.
func checkPeer(c net.Conn, rootToo bool) error {
	uid, known, err := peerUID(c)
	switch {
	case err != nil:
		return fmt.Errorf("asking who is at the other end of the socket: %w", err)
	case !known, uid == os.Geteuid(), uid == 0 && rootToo:
		return nil
	}
	return fault.Hint(fault.New(fault.Denied, "the other end of the socket is a process of user %d, and this is user %d", uid, os.Geteuid()),
		"name a home of this user with --home")
}

// socket removes what was made for it when it is closed.
type socket struct {
	net.Listener
	made []string
}

func (s *socket) Close() error {
	err := s.Listener.Close()
	for _, path := range s.made {
		if e := os.Remove(path); e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
			err = fmt.Errorf("removing the socket: %w", e)
		}
	}
	s.made = nil
	return err
}
