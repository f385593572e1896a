//go:build !linux && !darwin

package localapi

import "net"

// peerUID is not told by this system: the modes and access lists of folder and socket have to do.
func peerUID(net.Conn) (uid int, known bool, err error) { return 0, false, nil }
