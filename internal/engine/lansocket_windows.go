package engine

import (
	"context"
	"net"
	"syscall"
)

// listenShared binds a port that every torrent client of the machine listens on.
func listenShared(network, addr string) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
		})
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	return lc.ListenPacket(context.Background(), network, addr)
}
