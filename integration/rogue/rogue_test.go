package rogue_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/integration/rogue"
)

func TestPeerSendsGarbageAndMetadata(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &rogue.Peer{Pieces: 9, Metadata: []byte("forged"), Block: rogue.Garbage}
	done := make(chan struct{})
	go func() { defer close(done); p.Serve(l) }()
	defer func() { l.Close(); <-done }()

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hash := strings.Repeat("h", 20)
	write := func(s string) {
		t.Helper()
		if _, err := io.WriteString(c, s); err != nil {
			t.Fatal(err)
		}
	}
	message := func(kind byte, body string) {
		write(string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))) + string(kind) + body)
	}
	read := func() []byte {
		t.Helper()
		var n [4]byte
		if _, err := io.ReadFull(c, n[:]); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, binary.BigEndian.Uint32(n[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	write("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00" + hash + "-XX0001-abcdefghijkl")
	hello := make([]byte, 68)
	if _, err := io.ReadFull(c, hello); err != nil || string(hello[28:48]) != hash {
		t.Fatalf("handshake: got %q, %v", hello, err)
	}
	if got := read(); got[0] != 20 || !bytes.Contains(got, []byte("13:metadata_sizei6e")) {
		t.Errorf("extended handshake: got %q, want metadata_size 6", got)
	}
	if got, want := read(), "\x05\xff\x80"; string(got) != want {
		t.Errorf("bitfield: got %q, want %q", got, want)
	}
	if got := read(); string(got) != "\x01" {
		t.Errorf("got %q, want unchoke", got)
	}
	message(20, "\x00d1:md11:ut_metadatai7eee")
	message(20, "\x03d8:msg_typei0e5:piecei0ee")
	if got := read(); got[0] != 20 || got[1] != 7 || !bytes.HasSuffix(got, []byte("forged")) {
		t.Errorf("metadata: got %q, want number 7 and the forged bytes", got)
	}
	message(6, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x20")
	if got := read(); len(got) != 9+32 || got[0] != 7 || got[4] != 1 {
		t.Errorf("block: got %q, want 32 bytes of piece 1", got)
	}
	if p.BlocksSent.Load() != 1 || p.MetadataSent.Load() != 1 || p.Handshakes.Load() != 1 {
		t.Errorf("counts: %d blocks, %d metadata, %d handshakes, want 1 each", p.BlocksSent.Load(), p.MetadataSent.Load(), p.Handshakes.Load())
	}
}

func TestWebSeedFaults(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		fault  rogue.Fault
		status int
		body   string // of the bytes 2-3
	}{
		{"none", rogue.NoFault, 206, "23"},
		{"ignores Range", rogue.IgnoreRange, 200, "0123456789"},
		{"redirects", rogue.Redirect, 302, ""},
		{"403", rogue.Forbidden, 403, ""},
		{"404", rogue.NotFound, 404, ""},
		{"500", rogue.ServerError, 500, ""},
		{"wrong bytes", rogue.WrongBytes, 206, "\xcd\xcc"},
		{"slow", rogue.Slow, 206, "23"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			seed := &rogue.WebSeed{Root: dir, Fault: tc.fault, Target: "http://127.0.0.1:1"}
			s := httptest.NewServer(seed)
			defer s.Close()
			req, err := http.NewRequest(http.MethodGet, s.URL+"/f", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Range", "bytes=2-3")
			r, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != tc.status || (tc.body != "" && string(b) != tc.body) {
				t.Errorf("got %d %q, want %d %q", r.StatusCode, b, tc.status, tc.body)
			}
			if tc.fault == rogue.Redirect && r.Header.Get("Location") != "http://127.0.0.1:1/f" {
				t.Errorf("location: got %q", r.Header.Get("Location"))
			}
			if seed.Requests.Load() != 1 {
				t.Errorf("requests: got %d, want 1", seed.Requests.Load())
			}
		})
	}
}

func TestDHTNodeAnswersOnlyQueries(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var node rogue.DHTNode
	done := make(chan struct{})
	go func() { defer close(done); node.Serve(c) }()
	defer c.Close()
	conn, err := net.Dial("udp4", c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		if _, err := io.WriteString(conn, "d1:t2:zz1:y1:re"); err != nil { // not a query: no answer
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:qq1:y1:qe"); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			b := make([]byte, 2000)
			n, err := conn.Read(b)
			if err != nil || !bytes.Contains(b[:n], []byte("1:t2:qq")) {
				t.Errorf("got %q, %v, want an answer to qq", b[:n], err)
			}
		}
	}
	c.Close()
	<-done
	if got := node.Answered.Load(); got != 3 {
		t.Errorf("answered %d, want 3", got)
	}
}
