//go:build linux

package wire_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/integration/netlab"
	"github.com/p2pshare/p2pshare/integration/wire"
	"github.com/p2pshare/p2pshare/internal/needs"
)

// segment returns an Ethernet frame with IPv4 and TCP.
func segment(seq uint32, syn bool, data string) []byte {
	tcp := make([]byte, 20, 20+len(data))
	binary.BigEndian.PutUint16(tcp, 1000)
	binary.BigEndian.PutUint16(tcp[2:], 6881)
	binary.BigEndian.PutUint32(tcp[4:], seq)
	tcp[12] = 5 << 4
	if syn {
		tcp[13] = 2
	}
	return frame(6, append(tcp, data...))
}

func datagram(data string) []byte {
	udp := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(udp, 1000)
	binary.BigEndian.PutUint16(udp[2:], 6771)
	return frame(17, append(udp, data...))
}

func frame(proto byte, body []byte) []byte {
	ip := make([]byte, 20)
	ip[0], ip[9] = 0x45, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(body)))
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	eth := make([]byte, 14)
	binary.BigEndian.PutUint16(eth[12:], 0x0800)
	out := append(append(eth, ip...), body...)
	for len(out) < 60 {
		out = append(out, 0) // padding to Ethernet's minimum, not part of the stream
	}
	return out
}

func pcap(frames ...[]byte) []byte {
	out := make([]byte, 24)
	binary.LittleEndian.PutUint32(out, 0xa1b2c3d4)
	binary.LittleEndian.PutUint32(out[20:], 1)
	for _, f := range frames {
		head := make([]byte, 16)
		binary.LittleEndian.PutUint32(head[8:], uint32(len(f)))
		binary.LittleEndian.PutUint32(head[12:], uint32(len(f)))
		out = append(append(out, head...), f...)
	}
	return out
}

func TestStreams(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		want   []string
	}{
		{"in order", [][]byte{segment(10, true, ""), segment(11, false, "abc"), segment(14, false, "def")}, []string{"abcdef"}},
		{"out of order", [][]byte{segment(10, true, ""), segment(14, false, "def"), segment(11, false, "abc")}, []string{"abcdef"}},
		{"retransmitted", [][]byte{segment(10, true, ""), segment(11, false, "abc"), segment(11, false, "abcd"), segment(13, false, "cdef")}, []string{"abcdef"}},
		{"sequence numbers that wrap around", [][]byte{segment(0xfffffffe, true, ""), segment(0xffffffff, false, "abc"), segment(2, false, "def")}, []string{"abcdef"}},
		{"without its beginning", [][]byte{segment(14, false, "def"), segment(17, false, "ghi")}, []string{"defghi"}},
		{"a reused port", [][]byte{segment(10, true, ""), segment(11, false, "abc"), segment(500, true, ""), segment(501, false, "xyz")}, []string{"abc", "xyz"}},
		{"no data", [][]byte{segment(10, true, ""), segment(11, false, "")}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := wire.Parse(pcap(test.frames...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range c.Streams {
				got = append(got, string(s.Data))
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFindAndSought(t *testing.T) {
	hash := bytes.Repeat([]byte{0xAB, 0x4a}, 10)
	c, err := wire.Parse(pcap(segment(1, true, ""), segment(2, false, "..Passp"), segment(9, false, "hrase."), datagram("x PASSPHRASE"),
		datagram("BT-SEARCH * HTTP/1.1\r\nInfohash: "+hex.EncodeToString(hash)+"\r\n\r\n"),
		datagram("d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbbe1:q9:get_peers1:t1:x1:y1:qe")))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Find([]byte("passphrase")); len(got) != 2 {
		t.Errorf("got %q, want a stream and a packet", got)
	}
	if got := c.Find([]byte("other")); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
	via := c.Sought()
	if len(via) != 2 || via[[20]byte(hash)] != "LSD" || via[[20]byte([]byte("bbbbbbbbbbbbbbbbbbbb"))] != "DHT" {
		t.Errorf("got %v", via)
	}
	if k := c.Kinds(); k["LSD"] != 1 || k["DHT"] != 1 {
		t.Errorf("got %v", k)
	}
	if got := c.Bytes("10.0.0.1", "10.0.0.2"); got != 13 {
		t.Errorf("got %d bytes, want 13", got)
	}
}

func TestParseRefuses(t *testing.T) {
	cut := pcap(segment(1, true, "abc"))
	binary.LittleEndian.PutUint32(cut[24+12:], 9999)
	other := pcap()
	other[20] = 113
	for name, raw := range map[string][]byte{"too short": []byte("abc"), "text": bytes.Repeat([]byte("x"), 50), "cut packets": cut, "another link": other} {
		if _, err := wire.Parse(raw); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	whole := pcap(segment(1, true, ""), segment(2, false, "abc"))
	for n := range whole {
		if _, err := wire.Parse(whole[:n]); err != nil && n >= 24 {
			t.Errorf("the first %d bytes: got %v, want the complete packets", n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(pcap(segment(1, true, ""), segment(2, false, "abc"), datagram("BT-SEARCH * HTTP/1.1\r\nInfohash: zz\r\n")))
	f.Add(pcap(datagram("d1:ad9:info_hash20:short")))
	f.Add(pcap([]byte("\x00\x00")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := wire.Parse(raw); err == nil {
			c.Sought()
			c.Kinds()
			c.Find([]byte("a"))
		}
	})
}

// TestWatch watches at the hub what two hosts send to each other.
func TestWatch(t *testing.T) {
	needs.Root(t)
	lab, err := netlab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	w, err := wire.Watch(ctx, t, lab.Hub())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.Host(1).Listen("tcp", lab.Host(1).IP+":6881")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			c.Close()
		}
		done <- err
	}()
	c, err := lab.Host(2).Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("hear, hear. "), 50_000)
	go func() {
		_, _ = c.Write(sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := w.Await(ctx, "both have sent everything", func(c *wire.Capture) bool {
		return c.Bytes(lab.Host(1).IP, lab.Host(2).IP) == len(sent)
	}); err != nil {
		t.Fatal(err)
	}
	seen, err := w.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.Find(sent); len(got) != 2 {
		t.Errorf("got everything in %q, want it in both directions", got)
	}
}
