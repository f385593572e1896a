//go:build unix

package engine

import (
	"context"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenShared binds a port that every torrent client of the machine listens on.
func listenShared(network, addr string) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			if err == nil && runtime.GOOS != "linux" {
				// On the BSDs only this lets several sockets have a multicast port; on Linux it would
				// ask that all of them belong to one user.
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}
		})
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	return lc.ListenPacket(context.Background(), network, addr)
}
