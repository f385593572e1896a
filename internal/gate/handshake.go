package gate

import (
	"errors"
	"io"
)

// The handshake of BEP 3: the protocol's name with its length, eight reserved bytes, the infohash, the peer's ID.
const (
	protocolName = "\x13BitTorrent protocol"
	hashAt       = len(protocolName) + 8
	helloLen     = hashAt + 20 + 20
)

var errNotBitTorrent = errors.New("what came is no BitTorrent handshake")

// hello is a handshake as it came.
type hello [helloLen]byte

// readHello reads a whole handshake before it looks at any of it: who sends a wrong one learns nothing from how much
// was read.
func readHello(r io.Reader) (h hello, err error) {
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return h, err
	}
	return h, h.check()
}

func (h *hello) check() error {
	if string(h[:len(protocolName)]) != protocolName {
		return errNotBitTorrent
	}
	return nil
}

func (h *hello) infohash() [20]byte { return [20]byte(h[hashAt : hashAt+20]) }
