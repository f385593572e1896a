package tracker_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/integration/tracker"
)

var hash = strings.Repeat("h", 20)

func announceHTTP(t *testing.T, base, port, event string) string {
	t.Helper()
	q := url.Values{"info_hash": {hash}, "port": {port}, "event": {event}, "compact": {"1"}}
	r, err := http.Get(base + "/announce?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHTTP(t *testing.T) {
	var tr tracker.Tracker
	s := httptest.NewServer(&tr)
	defer s.Close()
	if got := announceHTTP(t, s.URL, "1000", "started"); !strings.Contains(got, "5:peers0:") {
		t.Errorf("first peer: got %q, want no peers", got)
	}
	want := "5:peers6:\x7f\x00\x00\x01\x03\xe8e"
	if got := announceHTTP(t, s.URL, "1001", ""); !strings.HasSuffix(got, want) {
		t.Errorf("second peer: got %q, want it to end in %q", got, want)
	}
	announceHTTP(t, s.URL, "1000", "stopped")
	if got := tr.Peers([]byte(hash)); len(got) != 1 || got[0].Port() != 1001 {
		t.Errorf("after a stop: got %v, want only port 1001", got)
	}
	if got := announceHTTP(t, s.URL, "x", ""); !strings.Contains(got, "failure reason") {
		t.Errorf("bad port: got %q, want a failure", got)
	}
}

func TestUDP(t *testing.T) {
	var tr tracker.Tracker
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); tr.ServeUDP(c) }()
	defer func() { c.Close(); <-done }()

	conn, err := net.Dial("udp4", c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(b []byte) []byte {
		t.Helper()
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2048)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return buf[:n]
	}
	hello := ask([]byte("\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00abcd"))
	if len(hello) != 16 || !bytes.Equal(hello[:8], []byte("\x00\x00\x00\x00abcd")) {
		t.Fatalf("connect: got %q", hello)
	}
	announce := func(port uint16) []byte {
		b := append([]byte{}, hello[8:16]...)
		b = append(b, "\x00\x00\x00\x01efgh"...)
		b = append(b, hash...)
		b = append(b, make([]byte, 98-len(b))...)
		binary.BigEndian.PutUint16(b[96:], port)
		return ask(b)
	}
	if got := announce(1000); len(got) != 20 {
		t.Errorf("first peer: got %d bytes, want 20 (no peers)", len(got))
	}
	if got, want := announce(1001), "\x7f\x00\x00\x01\x03\xe8"; len(got) != 26 || string(got[20:]) != want {
		t.Errorf("second peer: got %q, want peers %q", got, want)
	}
	if got := ask([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01wxyz")); got[3] != 3 {
		t.Errorf("announce without a connection: got action %d, want 3 (error)", got[3])
	}
}
