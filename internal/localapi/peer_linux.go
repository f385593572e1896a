package localapi

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUID is the user of the process at the other end, as the system noted it at connect or listen.
func peerUID(c net.Conn) (uid int, known bool, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, false, net.UnknownNetworkError(c.RemoteAddr().Network())
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var cred *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) {
		cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, false, err
	}
	if asked != nil {
		return 0, false, asked
	}
	return int(cred.Uid), true, nil
}
