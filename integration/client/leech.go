//go:build linux

package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Leech is a BitTorrent peer that fetches and shares nothing; a process can have hundreds of them. It implements only BEP 3.
type Leech struct {
	Infohash    [20]byte
	ID          [20]byte
	PieceLength int
	Size        int
}

const (
	leechBlock    = 16 << 10
	leechPipeline = 16 // pending requests
)

// Fetch fetches all bytes from a peer over c. It leaves c open.
func (l Leech) Fetch(ctx context.Context, c net.Conn) ([]byte, error) {
	defer context.AfterFunc(ctx, func() { c.Close() })()
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x00\x00\x00"), l.Infohash[:]...)
	if _, err := c.Write(append(hello, l.ID[:]...)); err != nil {
		return nil, err
	}
	var theirs [68]byte
	if _, err := io.ReadFull(c, theirs[:]); err != nil {
		return nil, fmt.Errorf("reading the handshake: %w", err)
	}
	const interested = "\x00\x00\x00\x01\x02"
	if _, err := io.WriteString(c, interested); err != nil {
		return nil, err
	}
	out := make([]byte, l.Size)
	asked, got := 0, 0
	ask := func() error {
		n := min(leechBlock, l.Size-asked)
		m := binary.BigEndian.AppendUint32(nil, 13)
		m = append(m, 6)
		m = binary.BigEndian.AppendUint32(m, uint32(asked/l.PieceLength))
		m = binary.BigEndian.AppendUint32(m, uint32(asked%l.PieceLength))
		m = binary.BigEndian.AppendUint32(m, uint32(n))
		asked += n
		_, err := c.Write(m)
		return err
	}
	for got < l.Size {
		kind, body, err := readMessage(c)
		if err != nil {
			return nil, fmt.Errorf("after %d of %d bytes: %w", got, l.Size, err)
		}
		more := 0
		switch kind {
		case 1: // unchoke
			more = leechPipeline
		case 7: // piece
			if len(body) < 8 {
				return nil, fmt.Errorf("a block of %d bytes", len(body))
			}
			at := int(binary.BigEndian.Uint32(body))*l.PieceLength + int(binary.BigEndian.Uint32(body[4:]))
			if at < 0 || at+len(body)-8 > l.Size {
				return nil, fmt.Errorf("a block at %d of %d bytes", at, l.Size)
			}
			got += copy(out[at:], body[8:])
			more = 1
		}
		for ; more > 0 && asked < l.Size; more-- {
			if err := ask(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// readMessage reads a message; its kind is -1 for a keep-alive.
func readMessage(c io.Reader) (kind int, body []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	switch {
	case n == 0:
		return -1, nil, nil
	case n > 1<<20:
		return 0, nil, fmt.Errorf("a message of %d bytes", n)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(c, body); err != nil {
		return 0, nil, err
	}
	return int(body[0]), body[1:], nil
}
