package gate

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// Bars are bounded, and the one that would end first makes room: a newcomer's garbage does not free an older offender
// that has longer to wait.
func TestBarsAreBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	g := New(Options{Now: func() time.Time { return now }})
	defer g.Close()
	here, _ := net.Pipe()
	defer here.Close()
	key := func(i int) (k signed.Key) {
		binary.BigEndian.PutUint32(k[:], uint32(i))
		return k
	}
	bar := func(i int) {
		c := newConn(g, here, key(i))
		c.account = &account{name: "ann"}
		g.bar(c)
	}
	barred := func(i int) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		_, ok := g.bars[right{peer: key(i)}]
		return ok
	}
	for i := range maxBars {
		now = now.Add(time.Millisecond)
		bar(i)
	}
	if !barred(0) {
		t.Error("a bar was forgotten while there was room")
	}
	for i := range 3 {
		now = now.Add(time.Millisecond)
		bar(maxBars + i)
		if len(g.bars) != maxBars {
			t.Fatalf("%d bars, want at most %d", len(g.bars), maxBars)
		}
		if barred(i) || !barred(i+1) || !barred(maxBars+i) {
			t.Errorf("bar %d came: of the oldest %v and the next %v, itself %v are remembered, want the oldest alone forgotten",
				maxBars+i, barred(i), barred(i+1), barred(maxBars+i))
		}
	}
}
