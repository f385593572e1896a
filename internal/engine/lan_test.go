package engine

import (
	"bytes"
	"slices"
	"testing"
)

func TestParseLAN(t *testing.T) {
	const h = "0123456789ABCDEF0123456789ABCDEF01234567"
	tests := []struct {
		name, packet string
		port, hashes int
	}{
		{"as BEP 14 has it", "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + h + "\r\ncookie: x\r\n\r\n\r\n", 6881, 1},
		{"one empty line", "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + h + "\r\n\r\n", 6881, 1},
		{"two infohashes", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 1\r\nInfohash: " + h + "\r\nInfohash: " + h[1:] + "0\r\n\r\n", 1, 2},
		{"the same twice", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 1\r\nInfohash: " + h + "\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"no port", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nInfohash: " + h + "\r\n\r\n", 0, 0},
		{"port too large", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 65536\r\nInfohash: " + h + "\r\n\r\n", 0, 0},
		{"port negative", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: -1\r\nInfohash: " + h + "\r\n\r\n", 0, 0},
		{"short infohash", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 1\r\nInfohash: " + h[1:] + "\r\n\r\n", 0, 0},
		{"not hex", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 1\r\nInfohash: z" + h[1:] + "\r\n\r\n", 0, 0},
		{"another method", "GET * HTTP/1.1\r\nHost: x\r\nPort: 1\r\nInfohash: " + h + "\r\n\r\n", 0, 0},
		{"empty", "", 0, 0},
	}
	for _, tt := range tests {
		a, ok := parseLAN([]byte(tt.packet))
		if ok != (tt.hashes > 0) || ok && (a.port != tt.port || len(a.shorts) != tt.hashes) {
			t.Errorf("%s: got port %d, %d infohashes, ok %v; want %d, %d", tt.name, a.port, len(a.shorts), ok, tt.port, tt.hashes)
		}
	}
}

func TestLANPackets(t *testing.T) {
	var shorts [][20]byte
	for i := range 1000 {
		shorts = append(shorts, [20]byte{byte(i >> 8), byte(i)})
	}
	var back [][20]byte
	for _, p := range lanPackets("239.192.152.143:6771", 6881, "c0ffee", shorts) {
		if len(p) > lanMaxPacket {
			t.Errorf("a packet is %d bytes, want at most %d", len(p), lanMaxPacket)
		}
		a, ok := parseLAN(p)
		if !ok || a.port != 6881 || a.cookie != "c0ffee" {
			t.Fatalf("our own packet is not understood: %q", p)
		}
		back = append(back, a.shorts...)
	}
	if !slices.Equal(back, shorts) {
		t.Errorf("%d infohashes came back of %d, or in another order", len(back), len(shorts))
	}
}

func FuzzParseLAN(f *testing.F) {
	f.Add([]byte("BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: 1\r\nInfohash: 0123456789ABCDEF0123456789ABCDEF01234567\r\n\r\n"))
	f.Add(bytes.Repeat([]byte("BT-SEARCH "), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := parseLAN(b)
		if ok && (a.port < 1 || a.port > 65535 || len(a.shorts) == 0 || len(a.shorts) > lanMaxInfohashes) {
			t.Errorf("accepted %+v", a)
		}
	})
}
