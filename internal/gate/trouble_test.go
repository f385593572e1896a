package gate_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/gate"
)

// until waits for something that the test does not hear of.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute not yet: %s", what)
		}
	}
}

// asks sends a handshake over a connection, and gives what comes back until it is closed.
func asks(t testing.TB, nc net.Conn, hash [20]byte) []byte {
	t.Helper()
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	nc.Write(helloFor(hash)) // which may find it closed already
	b, err := io.ReadAll(nc)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Error("the connection was not closed")
	}
	return b
}

// Who is not in the group, or may not have the torrent, gets no byte, and is not told why.
func TestOutsidersGetNothing(t *testing.T) {
	c := newClub()
	a := c.join(t, "anna")
	p := newContent(t, 1<<20, 64<<10, false)
	p.seed(t, a.engine)

	plain, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	if b := asks(t, plain, p.hash); len(b) > 0 && (len(b) > 7 || b[0] != 21) {
		t.Errorf("an ordinary client was sent %x, want nothing but an alert of TLS", b)
	}
	stranger := c.port(t, "eve")
	c.remove(stranger.secret.Public())
	if nc, _, err := stranger.dial(t.Context(), a.addr); err == nil {
		if b := asks(t, nc, p.hash); len(b) > 0 {
			t.Errorf("a stranger was sent %q", b)
		}
	}
	ben := c.port(t, "ben")
	c.deny("ben", p.hash)
	for what, hash := range map[string][20]byte{"what it may not have": p.hash, "what nobody has": {1, 2, 3}} {
		if what == "what nobody has" {
			c.deny("ben", hash)
		}
		nc, _, err := ben.dial(t.Context(), a.addr)
		if err != nil {
			t.Fatal(err)
		}
		if b := asks(t, nc, hash); len(b) > 0 {
			t.Errorf("a member that asks for %s was sent %q", what, b)
		}
	}
	if len(a.gate.Traffic()) > 0 {
		t.Errorf("traffic %v, want none", a.gate.Traffic())
	}
}

// A member that is removed while it fetches gets nothing from then on, on the connection it has or a new one.
func TestRemovedInTheMiddle(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p := newContent(t, 16<<20, 64<<10, false)
	p.seed(t, a.engine)
	a.engine.SetLimits(512<<10, 0)
	tt, _ := p.begin(t, b.engine, a.addr)
	until(t, "ben has begun", func() bool { return tt.Stats().FromPeers > 256<<10 })
	c.remove(b.secret.Public())
	a.gate.Recheck()
	if n := a.gate.Conns(); n != 0 {
		t.Errorf("%d connections are open after the removal", n)
	}
	if n := a.waitNote(gate.Cut); n.Account != "ben" || n.Sent < 128<<10 || n.Why != errStranger.Error() {
		t.Errorf("got %+v, want ben's connection cut", n)
	}
	sent := a.gate.Traffic()["ben"].Sent
	tries := c.strangers.Load()
	until(t, "ben has tried again", func() bool { return c.strangers.Load() >= tries+2 })
	if now := a.gate.Traffic()["ben"].Sent; now != sent {
		t.Errorf("%d bytes were sent after the cut", now-sent)
	}
	until(t, "ben sees that it is alone", func() bool { return tt.Stats().Peers == 0 })
}

// A member that lost its right to one torrent keeps its connections for others.
func TestRightsEndForOneTorrent(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p, q := newContent(t, 8<<20, 64<<10, false), newContent(t, 8<<20, 64<<10, false)
	p.seed(t, a.engine)
	q.seed(t, a.engine)
	a.engine.SetLimits(512<<10, 0)
	one, _ := p.begin(t, b.engine, a.addr)
	two, m := q.begin(t, b.engine, a.addr)
	until(t, "both have begun", func() bool { return one.Stats().FromPeers > 64<<10 && two.Stats().FromPeers > 64<<10 })
	c.deny("ben", p.hash)
	a.gate.Recheck()
	if n := a.waitNote(gate.Cut); n.Infohash != p.hash {
		t.Errorf("cut for %x, want %x", n.Infohash, p.hash)
	}
	a.engine.SetLimits(0, 0)
	q.wait(t, two, m)
}

// A member that serves garbage is named and kept away from the torrent; the fetch goes on with another member at the
// same address, and with the bad one's other torrents.
func TestGarbage(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces int  // bytes
		alone  bool // the bad one is met first
		dials  bool // the bad one dials us
	}{
		{"a whole piece of the bad one's", 16 << 10, true, false},
		{"pieces of blocks of both", 256 << 10, false, false},
		{"the bad one dials", 64 << 10, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			club := newClub()
			good, bad, z := club.join(t, "good"), club.join(t, "bad"), club.join(t, "zoe")
			p, other := newContent(t, 8<<20, c.pieces, false), newContent(t, 1<<20, 64<<10, false)
			p.seed(t, good.engine)
			rotten := make([]byte, len(p.data)) // it answers every request, but with zeros
			var to []string
			if c.dials {
				to = []string{z.addr}
			}
			p.add(t, bad.engine, &memory{data: rotten, full: true}, to...)
			other.seed(t, bad.engine)

			var peers []string
			if !c.dials {
				peers = append(peers, bad.addr)
			}
			if !c.alone {
				peers = append(peers, good.addr)
				good.engine.SetLimits(2<<20, 0) // or it is done before the bad one is asked
			}
			tt, m := p.begin(t, z.engine, peers...)
			if n := z.waitNote(gate.Garbage); n.Account != "bad" || n.Device != bad.secret.Public() || n.Infohash != p.hash {
				t.Errorf("got %+v, want the bad one named", n)
			}
			if c.alone {
				tt.AddPeers(good.addr)
			}
			good.engine.SetLimits(0, 0)
			p.wait(t, tt, m)
			if tr := z.gate.Traffic(); tr["bad"].Bad == 0 || tr["good"].Bad != 0 {
				t.Errorf("traffic %+v, want bad pieces of the bad one alone", tr)
			}
			more, m := other.begin(t, z.engine, bad.addr)
			other.wait(t, more, m)
		})
	}
}

// TestFlood has ten thousand wrong handshakes of a member come while another fetches: it is done all the same, and
// the audit has a few lines.
func TestFlood(t *testing.T) {
	c := newClub()
	a, b, mallory := c.join(t, "anna"), c.join(t, "ben"), c.port(t, "mallory")
	p := newContent(t, 16<<20, 64<<10, false)
	c.deny("mallory", p.hash)
	p.seed(t, a.engine)
	a.engine.SetLimits(4<<20, 0)
	tt, m := p.begin(t, b.engine, a.addr)
	wrong := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range wrong {
				here, there := net.Pipe() // TLS is another's bound: see groupnet
				a.gate.Take(here, mallory.secret.Public())
				hello := helloFor(p.hash)
				if i%2 > 0 {
					hello = make([]byte, 68)
				}
				there.Write(hello)
				if b, err := io.ReadAll(there); err != nil || len(b) > 0 {
					t.Errorf("got %q, %v, want a closed connection", b, err)
				}
			}
		})
	}
	for i := range 10_000 {
		wrong <- i
	}
	close(wrong)
	wg.Wait()
	a.engine.SetLimits(0, 0)
	p.wait(t, tt, m)
	a.mu.Lock()
	defer a.mu.Unlock()
	refused := 0
	for _, n := range a.notes {
		if n.What == gate.Refused {
			refused++
		}
	}
	if refused == 0 || refused > 20 {
		t.Errorf("%d lines of audit about 10,000 refusals, want some and at most 20", refused)
	}
}

// Who has the content dials those that fetch it: a member behind a router that nobody can reach is of use too.
func TestSeedDials(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p := newContent(t, 1<<20, 64<<10, false)
	tt, m := p.begin(t, b.engine)
	p.seed(t, a.engine).AddPeers(b.addr)
	p.wait(t, tt, m)
}

// Members come and go while a torrent is open.
func TestAddAndForgetPeers(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p := newContent(t, 1<<20, 64<<10, false)
	p.seed(t, a.engine)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := dead.Addr().String()
	dead.Close()
	tt, m := p.begin(t, b.engine, gone)
	if n := tt.Stats().Known; n != 1 {
		t.Errorf("knows %d addresses, want 1", n)
	}
	tt.ForgetPeers(gone)
	if n := tt.Stats().Known; n != 0 {
		t.Errorf("knows %d addresses, want none", n)
	}
	tt.AddPeers(a.addr, a.addr)
	p.wait(t, tt, m)
}

// What a private client says to a member beside the content: no addresses of others (PEX, hole punching), no DHT port.
func TestTellsNothingOfOthers(t *testing.T) {
	c := newClub()
	a, b, eve := c.join(t, "anna"), c.join(t, "ben"), c.port(t, "eve")
	p := newContent(t, 1<<20, 64<<10, false)
	p.seed(t, a.engine)
	nc, _, err := eve.dial(t.Context(), a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	hello := helloFor(p.hash)
	hello[25] |= 0x10        // BEP 10
	hello[27] |= 0x01 | 0x04 // BEP 5, BEP 6
	offer := "\x14\x00" + "d1:md11:ut_metadatai3e6:ut_pexi1e12:ut_holepunchi4eee"
	nc.Write(append(hello, frame(offer)...))
	answer := make([]byte, 68)
	if _, err := io.ReadFull(nc, answer); err != nil {
		t.Fatal(err)
	}
	if answer[27]&0x01 > 0 {
		t.Error("it says that it is in the DHT")
	}
	// Others come and go, which PEX would tell of.
	tt, m := p.begin(t, b.engine, a.addr)
	p.wait(t, tt, m)
	nc.Write(frame("\x02")) // interested: unchoked by a client that has read all that came before
	for {
		var size [4]byte
		if _, err := io.ReadFull(nc, size[:]); err != nil {
			t.Fatal(err)
		}
		msg := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(nc, msg); err != nil {
			t.Fatal(err)
		}
		if len(msg) == 0 {
			continue
		}
		switch msg[0] {
		case 1: // unchoke: it has answered everything
			return
		case 9:
			t.Error("it told its DHT port")
		case 20:
			if msg[1] != 0 {
				t.Errorf("it sent an extended message: %q", msg)
				continue
			}
			var h struct {
				M map[string]int `bencode:"m"`
				P int            `bencode:"p"`
			}
			if err := bencode.Unmarshal(msg[2:], &h); err != nil {
				t.Fatal(err)
			}
			if len(h.M) != 1 || h.M["ut_metadata"] == 0 {
				t.Errorf("it offers %v, want metadata alone", h.M)
			}
			if h.P != a.engine.Port() {
				t.Errorf("it says that it listens on %d, want %d", h.P, a.engine.Port())
			}
		}
	}
}

func frame(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// TestOverWires has what is on the wire between two members looked at: TLS, and nothing of the torrent in clear.
func TestNothingInClear(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p := newContent(t, 1<<20, 64<<10, false)
	p.seed(t, a.engine)
	wire, seen := tap(t, a.addr)
	tt, m := p.begin(t, b.engine, wire)
	p.wait(t, tt, m)
	all := seen()
	for what, clear := range map[string]string{
		"the protocol's name": "BitTorrent protocol", "the infohash": string(p.hash[:]), "the content": string(p.data[1000:1100]),
		"a key": string(a.key()), "the file's name": "payload", "the client": "p2pshare test",
	} {
		if strings.Contains(all, clear) {
			t.Errorf("%s is on the wire in clear", what)
		}
	}
	if len(all) < len(p.data) {
		t.Errorf("%d bytes were seen, want all", len(all))
	}
}

func (m *machine) key() []byte {
	k := m.secret.Public()
	return k[:]
}

// tap is an address that leads to another, and what went by it both ways.
func tap(t testing.TB, to string) (addr string, seen func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all strings.Builder
	copyAll := func(dst, src net.Conn) {
		defer dst.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := src.Read(buf)
			mu.Lock()
			all.Write(buf[:n])
			mu.Unlock()
			if _, werr := dst.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			wg.Go(func() { copyAll(out, in) })
			wg.Go(func() { copyAll(in, out) })
		}
	})
	t.Cleanup(func() {
		l.Close()
	})
	return l.Addr().String(), func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// The key of who answers is proven, or nothing is said to it.
func TestNothingIsSaidToStrangers(t *testing.T) {
	c := newClub()
	b, eve := c.join(t, "ben"), c.port(t, "eve")
	p := newContent(t, 1<<20, 64<<10, false)
	// Eve answers TLS at her address, and waits for what is said.
	heard := make(chan []byte, 16)
	l := eve.gate.Listener()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			h := make([]byte, 68)
			io.ReadFull(nc, h)
			heard <- h
			nc.Close()
		}
	}()
	c.deny("eve", p.hash)
	tt, _ := p.begin(t, b.engine, eve.addr)
	if n := b.waitNote(gate.Refused); n.Account != "eve" || n.Device != eve.secret.Public() || n.Infohash != p.hash {
		t.Errorf("got %+v, want that eve is not asked", n)
	}
	tt.Close()
	select {
	case h := <-heard:
		t.Errorf("she was asked for %x", h)
	default:
	}
}

// A client of a group outlives neither its gate nor the engine it came of.
func TestEnds(t *testing.T) {
	c := newClub()
	a, b := c.join(t, "anna"), c.join(t, "ben")
	p := newContent(t, 1<<20, 64<<10, false)
	p.seed(t, a.engine)
	a.gate.Close() // before the client
	tt, _ := p.begin(t, b.engine, a.addr)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := tt.Wait(ctx, [][2]int{{0, p.pieces}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a closed gate served: %v", err)
	}
	if err := b.parent.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.parent.Private(b.gate); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("got %v, want that the engine is closed", err)
	}
	if err := tt.Wait(t.Context(), [][2]int{{0, p.pieces}}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("got %v, want that the torrent was closed with the engine", err)
	}
}
