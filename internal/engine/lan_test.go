package engine

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"
)

type told struct {
	short   [20]byte
	answer  bool
	private bool
}

func (a *told) shorts() [][20]byte { return [][20]byte{a.short} }
func (a *told) Private() bool      { return a.private }
func (a *told) hungry() bool       { return false }
func (a *told) answers() bool      { return a.answer }

// TestLANAnswersWhoIsNew: a meeting that was announced for the last time for five minutes is announced again, soon, when
// somebody is heard of who is new, and only then.
func TestLANAnswersWhoIsNew(t *testing.T) {
	meeting, torrent := &told{short: [20]byte{1}, answer: true}, &told{short: [20]byte{2}}
	l := &lanService{wake: make(chan struct{}, 1), swarm: map[announced]*lanSwarm{}}
	now := time.Now()
	l.add(meeting)
	l.add(torrent)
	for range 10 { // past the first few
		now = now.Add(10 * time.Minute)
		l.due(now)
	}
	says := func(what string, at time.Time, want ...[20]byte) {
		t.Helper()
		if got, _ := l.due(at); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	now = now.Add(time.Minute)
	says("nobody came", now)
	l.hear(torrent.short, "10.0.0.7:1", now)
	l.hear([20]byte{9}, "10.0.0.7:1", now)
	says("others' announces", now.Add(lanAnswer))
	l.hear(meeting.short, "10.0.0.7:1", now)
	says("somebody is new", now.Add(lanAnswer), meeting.short)
	now = now.Add(30 * time.Second)
	l.hear(meeting.short, "10.0.0.7:1", now)
	says("he announces again", now.Add(lanAnswer))
	answers := 0
	for i := range 10_000 { // a flood, from everywhere, within a second
		now = now.Add(time.Second / 10_000)
		l.hear(meeting.short, fmt.Sprint("10.1.0.1:", i), now)
		got, _ := l.due(now)
		answers += len(got)
	}
	if answers > 2 {
		t.Errorf("a flood of strangers: got %d answers in a second, want 2 at most", answers)
	}
	if n := len(l.swarm[meeting].heard); n > lanHeard {
		t.Errorf("%d are remembered, want %d at most", n, lanHeard)
	}
	l.due(now.Add(time.Second))
	now = now.Add(time.Hour)
	l.due(now)
	l.hear(meeting.short, "10.0.0.7:1", now.Add(2*lanPause))
	says("who comes back after an hour", now.Add(2*lanPause+lanAnswer), meeting.short)
}

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
		{"lines that end with LF", "BT-SEARCH * HTTP/1.1\nHost: x\nPort: 1\nInfohash: " + h + "\n\n", 1, 1},
		{"no host", "BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"no version", "BT-SEARCH *\r\nPort: 1\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"two hosts", "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nHost: y\r\nPort: 1\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"an odd line", "BT-SEARCH * HTTP/1.1\r\nnonsense\r\n: x\r\nP\xffrt: 2\r\nPort: 1\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"keys in capitals and blanks", "BT-SEARCH * HTTP/1.1\r\nHOST : x\r\nPORT :  1 \r\nINFOHASH:" + h + "\r\n\r\n", 1, 1},
		{"a length that is none", "BT-SEARCH * HTTP/1.1\r\nContent-Length: x\r\nTransfer-Encoding: y\r\nPort: 1\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"an odd cookie", "BT-SEARCH * HTTP/1.1\r\nPort: 1\r\ncookie: \x01\xff\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"two ports", "BT-SEARCH * HTTP/1.1\r\nPort: x\r\nPort: 1\r\nPort: 2\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"one infohash of three", "BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash:\r\nInfohash: " + h + "0\r\nInfohash: " + h + "\r\n\r\n", 1, 1},
		{"no end", "BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: " + h, 1, 1},
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
	for _, p := range lanPackets("[ff15::efc0:988f]:6771", 65535, "c0ffee", [][20]byte{{1}, {2}, {0xff, 0xfe}}) {
		f.Add(p)
		f.Add(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
		f.Add(bytes.ReplaceAll(p, []byte("Infohash: "), []byte("infohash:\t")))
		f.Add(bytes.Replace(p, []byte("Port: 65535"), []byte("Port: +1\r\nPort: 2"), 1))
		f.Add(bytes.Replace(p, []byte("Host:"), []byte("Transfer-Encoding: chunked\r\nContent-Length: 9\r\nHost:"), 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := parseLAN(b)
		if !ok {
			return
		}
		if a.port < 1 || a.port > 65535 || len(a.shorts) == 0 || len(a.shorts) > lanMaxInfohashes {
			t.Errorf("accepted %+v", a)
		}
		// Nothing is looked for that the packet does not name.
		upper := bytes.ToUpper(b)
		for _, h := range a.shorts {
			if !bytes.Contains(upper, fmt.Appendf(nil, "%X", h[:])) {
				t.Errorf("%q asks for %x", b, h)
			}
		}
		// Said again in our words it is the same.
		var back [][20]byte
		for _, p := range lanPackets("239.192.152.143:6771", a.port, "c", a.shorts) {
			again, ok := parseLAN(p)
			if !ok || again.port != a.port {
				t.Fatalf("our own packet is not understood: %q", p)
			}
			back = append(back, again.shorts...)
		}
		if !slices.Equal(back, a.shorts) {
			t.Errorf("%x came back of %x", back, a.shorts)
		}
	})
}
