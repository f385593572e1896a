package rogue

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Message numbers of BEP 3 and BEP 10.
const (
	msgUnchoke    = 1
	msgInterested = 2
	msgBitfield   = 5
	msgRequest    = 6
	msgPiece      = 7
	msgExtended   = 20
)

// maxMessage bounds what is read from the program under test.
const maxMessage = 1 << 20

// Peer claims to have everything of whatever torrent it is asked about.
type Peer struct {
	Pieces   int    // number of pieces that it claims to have
	Metadata []byte // sent to anyone who requests the info; nil: none is offered
	Block    func(piece, begin, length uint32) []byte
	// Whole answers requests for whole pieces, which are offered if it is set; the connection ends afterwards.
	Whole func(w io.Writer, begin, end int)

	Handshakes, BlocksSent, MetadataSent, WholeAsked atomic.Int64
}

// Garbage is a Block function that returns the right length with every byte wrong.
func Garbage(piece, begin, length uint32) []byte {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte(piece) ^ byte(begin>>14) ^ 0xa5 ^ byte(i*7)
	}
	return b
}

// Serve answers on l until it is closed, then closes its connections and returns.
func (p *Peer) Serve(l net.Listener) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		mu.Lock()
		open[c] = true
		mu.Unlock()
		wg.Go(func() {
			_ = p.talk(c) // errors do not matter
			c.Close()
			mu.Lock()
			delete(open, c)
			mu.Unlock()
		})
	}
	mu.Lock()
	for c := range open {
		c.Close()
	}
	mu.Unlock()
	wg.Wait()
}

func (p *Peer) talk(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return err
	}
	hello := make([]byte, 68)
	if _, err := io.ReadFull(c, hello[:4]); err != nil {
		return err
	}
	if string(hello[:4]) == "GET " && p.Whole != nil {
		return p.give(c)
	}
	if _, err := io.ReadFull(c, hello[4:]); err != nil {
		return err
	}
	if !bytes.HasPrefix(hello, []byte("\x13BitTorrent protocol")) {
		return errors.New("not a plain handshake") // an encrypted one: the other side will try a plain one
	}
	p.Handshakes.Add(1)
	reply := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00"), hello[28:48]...)
	if _, err := c.Write(append(reply, "-RG0001-rogue-peer-1"...)); err != nil {
		return err
	}
	return p.speak(c)
}

// Call is Serve for an outgoing connection.
func (p *Peer) Call(c net.Conn, infohash [20]byte) error {
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return err
	}
	if _, err := c.Write(Handshake(infohash)); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, c, 68); err != nil {
		return err
	}
	p.Handshakes.Add(1)
	return p.speak(c)
}

// speak handles the connection after the handshakes.
func (p *Peer) speak(c net.Conn) error {
	ext := "d1:mdee"
	if p.Whole != nil {
		_, port, _ := net.SplitHostPort(c.LocalAddr().String())
		ext = fmt.Sprintf("d1:md9:ps_piecesi7ee1:pi%see", port)
	}
	if p.Metadata != nil {
		ext = fmt.Sprintf("d1:md11:ut_metadatai3ee13:metadata_sizei%de4:reqqi250ee", len(p.Metadata))
	}
	if err := send(c, msgExtended, append([]byte{0}, ext...)); err != nil {
		return err
	}
	if p.Pieces > 0 {
		field := bytes.Repeat([]byte{0xff}, (p.Pieces+7)/8)
		if spare := len(field)*8 - p.Pieces; spare > 0 {
			field[len(field)-1] <<= spare
		}
		if err := send(c, msgBitfield, field); err != nil {
			return err
		}
		if err := send(c, msgUnchoke, nil); err != nil {
			return err
		}
	}
	theirMetadata := byte(0) // the number they assigned to ut_metadata
	for {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			continue
		}
		if n > maxMessage {
			return fmt.Errorf("message of %d bytes", n)
		}
		msg := make([]byte, n)
		if _, err := io.ReadFull(c, msg); err != nil {
			return err
		}
		switch {
		case msg[0] == msgRequest && n == 13 && p.Block != nil:
			piece, begin, length := binary.BigEndian.Uint32(msg[1:]), binary.BigEndian.Uint32(msg[5:]), binary.BigEndian.Uint32(msg[9:])
			if length > maxMessage {
				return fmt.Errorf("request of %d bytes", length)
			}
			p.BlocksSent.Add(1)
			if err := send(c, msgPiece, append(append([]byte{}, msg[1:9]...), p.Block(piece, begin, length)...)); err != nil {
				return err
			}
		case msg[0] == msgExtended && n > 2 && msg[1] == 0:
			theirMetadata = byte(intAfter(msg, "11:ut_metadatai"))
		case msg[0] == msgExtended && n > 2 && msg[1] == 3 && p.Metadata != nil && intAfter(msg, "8:msg_typei") == 0:
			if err := p.sendMetadata(c, theirMetadata, intAfter(msg, "5:piecei")); err != nil {
				return err
			}
		}
	}
}

// give answers a request for whole pieces, whose first bytes "GET " are already read.
func (p *Peer) give(c net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader("GET "), c)))
	if err != nil {
		return err
	}
	var begin, end int
	if _, err := fmt.Sscanf(path.Base(r.URL.Path), "%d-%d", &begin, &end); err != nil {
		return err
	}
	p.WholeAsked.Add(1)
	p.Whole(c, begin, end)
	return nil
}

func (p *Peer) sendMetadata(c net.Conn, id byte, piece int) error {
	const size = 16 << 10
	begin := min(piece*size, len(p.Metadata))
	end := min(begin+size, len(p.Metadata))
	p.MetadataSent.Add(1)
	head := fmt.Sprintf("d8:msg_typei1e5:piecei%de10:total_sizei%dee", piece, len(p.Metadata))
	return send(c, msgExtended, append(append([]byte{id}, head...), p.Metadata[begin:end]...))
}

func send(c net.Conn, kind byte, payload []byte) error {
	_, err := c.Write(message(kind, payload))
	return err
}

// intAfter returns the number that follows key in bencode; 0 if there is none.
func intAfter(b []byte, key string) int {
	_, rest, ok := bytes.Cut(b, []byte(key))
	n := 0
	for ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' && n < 1<<24 {
		n = n*10 + int(rest[0]-'0')
		rest = rest[1:]
	}
	return n
}
