package rogue

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Crowd holds as many unauthenticated connections open as it can, and replaces those that are closed.
type Crowd struct {
	Dial func(ctx context.Context) (net.Conn, error)
	Most int           // maximum number of open connections
	Rate int           // maximum number opened per second
	Say  []byte        // sent by each, which is silent afterwards
	Drip time.Duration // pause after each byte; 0: everything is sent at once

	Opened, Refused atomic.Int64
}

// Run runs until ctx ends, and then closes its connections.
func (c *Crowd) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	places := make(chan struct{}, c.Most)
	tick := time.NewTicker(time.Second / time.Duration(c.Rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case places <- struct{}{}:
		default:
			continue
		}
		wg.Go(func() {
			defer func() { <-places }()
			c.one(ctx)
		})
	}
}

func (c *Crowd) one(ctx context.Context) {
	conn, err := c.Dial(ctx)
	if err != nil {
		c.Refused.Add(1)
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c.Opened.Add(1)
	parts := [][]byte{c.Say}
	if c.Drip > 0 {
		parts = nil
		for i := range c.Say {
			parts = append(parts, c.Say[i:i+1])
		}
	}
	for _, p := range parts {
		if _, err := conn.Write(p); err != nil {
			return
		}
		if c.Drip > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(c.Drip):
			}
		}
	}
	for buf := make([]byte, 512); err == nil; { // until it is closed
		_, err = conn.Read(buf)
	}
}

// Beginning is what a connection can send before proving anything.
type Beginning struct {
	Name string
	Say  []byte
}

// Beginnings returns those of every protocol on the shared port, for a torrent and the first message of a TLS handshake.
func Beginnings(infohash [20]byte, hello []byte) []Beginning {
	noise := make([]byte, 700)
	_, _ = rand.Read(noise) // it never fails
	noise[0] = 'x'
	return []Beginning{
		{"nothing", nil},
		{"a byte of BitTorrent", []byte{19}},
		{"half a handshake", Handshake(infohash)[:40]},
		{"a handshake without its last byte", Handshake(infohash)[:67]},
		{"half an obfuscated key", noise[:48]},
		{"an obfuscated key", noise[:96]},
		{"an obfuscated key and padding", noise[:600]},
		{"the head of a TLS record", []byte{22, 3, 1, 0x40, 0}},
		{"half of a TLS greeting", hello[:len(hello)/2]},
		{"a TLS greeting", hello},
		{"half a request", []byte("GET /p2pshare/pieces/ HTTP/1.1\r\nHost: x\r\n")},
		{"requests for nothing", []byte("GET /p2pshare/pieces/ HTTP/1.1\r\nHost: x\r\n\r\n")},
	}
}

// SYN returns a packet that opens a uTP connection (BEP 29) with the given number.
func SYN(id uint16) []byte {
	b := []byte{0x41, 0}
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, 1<<20)
	return append(b, 0, 1, 0, 0)
}

// UTP returns a random uTP packet: malformed, opening a connection, or belonging to any connection.
func UTP(random func(n int) int) []byte {
	b := SYN(uint16(random(1 << 16)))
	b[0] = byte([]int{0, 1, 2, 3, 4, 4, 5, 15}[random(8)]<<4 | []int{1, 1, 1, 0, 2}[random(5)])
	b[1] = byte([]int{0, 0, 1, 2, 255}[random(5)])
	for i := 4; i < len(b); i++ {
		b[i] = byte(random(256))
	}
	if b[1] != 0 {
		b = append(b, byte(random(2)*255), byte([]int{0, 1, 4, 255}[random(4)]))
	}
	b = append(b, make([]byte, []int{0, 0, 1, 20, 68, 1400}[random(6)])...)
	return b[:min(len(b), []int{1500, 1500, 1500, 5, 19, 20}[random(6)])]
}

// Send sends n packets of make, at most 10,000 per second, from a new socket now and then, until ctx ends.
func Send(ctx context.Context, dial func(ctx context.Context) (net.Conn, error), n int, make func(i int) []byte) (sent int, err error) {
	const burst, perSocket = 100, 20_000
	var c net.Conn
	for i := range n {
		if i%perSocket == 0 {
			if c != nil {
				c.Close()
			}
			if c, err = dial(ctx); err != nil {
				return sent, err
			}
		}
		if _, err := c.Write(make(i)); err == nil { // else the port is closed, briefly or for good
			sent++
		}
		if i%burst == 0 {
			select {
			case <-ctx.Done():
				c.Close()
				return sent, nil
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	if c != nil {
		c.Close()
	}
	return sent, nil
}
