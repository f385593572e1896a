package gate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pshare/p2pshare/internal/gate"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var (
	mayRead = [20]byte{1}
	mayNot  = [20]byte{2}
	ben     = signed.Key{1}
	mallory = signed.Key{2}
)

// rights are a judge for tests: ben may read one torrent.
type rights struct {
	mu    sync.Mutex
	gone  bool
	asked int
}

func (r *rights) judge(peer signed.Key, hash [20]byte) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	switch {
	case peer == mallory:
		return "", errStranger
	case r.gone:
		return "", errors.New("removed")
	case hash == mayNot:
		return "", errors.New("it may not read this")
	}
	return fmt.Sprintf("account %x", peer[:1]), nil
}

func (r *rights) remove() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
}

// log collects notes.
type log struct {
	mu    sync.Mutex
	notes []gate.Note
}

func (l *log) note(n gate.Note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, n)
}

func (l *log) of(what string) (out []gate.Note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.notes {
		if n.What == what {
			out = append(out, n)
		}
	}
	return out
}

func start(t testing.TB, o gate.Options) (*gate.Gate, *log) {
	t.Helper()
	l := &log{}
	o.Note = l.note
	o.Log = slog.New(slog.DiscardHandler)
	g := gate.New(o)
	t.Cleanup(func() { g.Close() })
	return g, l
}

// member gives the gate a connection of key, and what the member holds of it.
func member(t testing.TB, g *gate.Gate, key signed.Key) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { there.Close() })
	g.Take(here, key)
	return there
}

// gone waits until a connection is closed, and says what came by it.
func gone(t testing.TB, c net.Conn) []byte {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("the connection was not closed: %v", err)
	}
	return b
}

func accept(t testing.TB, g *gate.Gate) net.Conn {
	t.Helper()
	c, err := g.Listener().Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// neverAccepts fails if the torrent client is given anything until the gate is closed.
func neverAccepts(t testing.TB, g *gate.Gate) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := g.Listener().Accept(); err == nil {
			t.Errorf("the torrent client was given a connection from %v", c.RemoteAddr())
		}
	}()
	t.Cleanup(func() {
		g.Close()
		<-done
	})
}

func TestRefuses(t *testing.T) {
	wrong := helloFor(mayRead)
	wrong[5]++
	for _, c := range []struct {
		name  string
		key   signed.Key
		sends []byte
		then  bool // hang up
		why   string
	}{
		{"another group's member", mallory, helloFor(mayRead), false, "no member"},
		{"a torrent that it may not read", ben, helloFor(mayNot), false, "it may not read this"},
		{"no BitTorrent", ben, wrong, false, "what came is no BitTorrent handshake"},
		{"HTTP", ben, []byte("GET / HTTP/1.1\r\nHost: somewhere\r\nUser-Agent: something\r\nAccept: */*\r\n\r\n")[:68], false, "what came is no BitTorrent handshake"},
		{"the half of a handshake", ben, helloFor(mayRead)[:30], true, "no handshake came"},
		{"nothing", ben, nil, true, "no handshake came"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &rights{}
			g, l := start(t, gate.Options{Judge: r.judge})
			neverAccepts(t, g)
			nc := member(t, g, c.key)
			if len(c.sends) > 0 {
				if _, err := nc.Write(c.sends); err != nil {
					t.Fatal(err)
				}
			}
			if c.then {
				nc.Close()
			} else if got := gone(t, nc); len(got) > 0 {
				t.Errorf("it was told %q, want nothing", got)
			}
			for len(l.of(gate.Refused)) == 0 {
				time.Sleep(time.Millisecond)
			}
			n := l.of(gate.Refused)[0]
			if n.Why != c.why || n.Device != c.key || n.Account != "" || n.Times != 1 {
				t.Errorf("got %+v, want one refusal because of %q", n, c.why)
			}
			if g.Conns() != 0 || len(g.Traffic()) != 0 {
				t.Errorf("%d connections and traffic %v, want none", g.Conns(), g.Traffic())
			}
		})
	}
}

// The torrent client sees the stream as if the gate were not there.
func TestPassesEverythingOn(t *testing.T) {
	g, l := start(t, gate.Options{Judge: (&rights{}).judge})
	nc := member(t, g, ben)
	sent := append(helloFor(mayRead), "and what follows"...)
	go nc.Write(sent)
	c := accept(t, g)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != string(sent) {
		t.Fatalf("got %q, %v, want %q", got, err, sent)
	}
	written := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte("answer"))
		written <- err
	}()
	if _, err := io.ReadFull(nc, got[:6]); err != nil || string(got[:6]) != "answer" {
		t.Fatalf("got %q, %v, want the answer", got[:6], err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	want := gate.Traffic{Sent: 6, Got: int64(len(sent))}
	if tr := g.Traffic()["account 01"]; tr != want {
		t.Errorf("traffic %+v, want %+v", tr, want)
	}
	c.Close()
	if n := g.Conns(); n != 0 {
		t.Errorf("%d connections are open after the last was closed", n)
	}
	if served := l.of(gate.Served); len(served) != 0 {
		t.Errorf("a connection that carried nothing was noted: %+v", served)
	}
}

// Who is silent is let go after a while, the first at once where a device has many, and keeps nobody out, whoever it is.
func TestSilentMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := start(t, gate.Options{Judge: (&rights{}).judge})
		var silent []net.Conn
		for range 40 {
			silent = append(silent, member(t, g, mallory))
		}
		first := time.Now()
		for _, c := range silent[:24] {
			gone(t, c)
		}
		if d := time.Since(first); d != 0 {
			t.Errorf("the oldest of 40 were let go after %v, want them gone at once", d)
		}
		go member(t, g, ben).Write(helloFor(mayRead))
		accept(t, g).Close()
		half := member(t, g, ben)
		half.Write(helloFor(mayRead)[:67])
		begun := time.Now()
		for _, c := range append(silent, half) {
			if got := gone(t, c); len(got) != 0 {
				t.Errorf("a silent member was told %q", got)
			}
		}
		if d := time.Since(begun); d > 6*time.Second {
			t.Errorf("they were let go after %v, want 5 s", d)
		}
		synctest.Wait()
		whys := map[string]int{}
		for _, n := range l.of(gate.Refused) {
			whys[n.Why]++
		}
		if len(whys) != 1 || whys["no handshake came"] != 2 {
			t.Errorf("got refusals %v, want one for each silent member", whys)
		}
		g.Close()
	})
}

func TestRecheckCuts(t *testing.T) {
	r := &rights{}
	g, l := start(t, gate.Options{Judge: r.judge})
	nc := member(t, g, ben)
	go nc.Write(helloFor(mayRead))
	c := accept(t, g)
	io.ReadFull(c, make([]byte, 68))
	g.Recheck()
	if n := g.Conns(); n != 1 {
		t.Fatalf("%d connections after a recheck without a change, want 1", n)
	}
	r.remove()
	g.Recheck()
	if n := g.Conns(); n != 0 {
		t.Errorf("%d connections are open when Recheck has returned, want 0", n)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("the torrent client still sends")
	}
	if got := gone(t, nc); len(got) > 0 {
		t.Errorf("after the cut came %q", got)
	}
	if n := l.of(gate.Cut); len(n) != 1 || n[0].Account != "account 01" || n[0].Why != "removed" || n[0].Got != 68 {
		t.Errorf("got %+v, want one cut with its reason", n)
	}
	c.Close()
	if n := l.of(gate.Served); len(n) != 0 {
		t.Errorf("a cut connection was noted twice: %+v", n)
	}
}

// A judgement that a Recheck has overtaken does not count: it is asked for again.
func TestRecheckOvertakesAJudgement(t *testing.T) {
	r := &rights{}
	judging, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	g, l := start(t, gate.Options{Judge: func(k signed.Key, h [20]byte) (string, error) {
		name, err := r.judge(k, h)
		once.Do(func() {
			close(judging)
			<-goOn
		})
		return name, err
	}})
	neverAccepts(t, g)
	nc := member(t, g, ben)
	if _, err := nc.Write(helloFor(mayRead)); err != nil {
		t.Fatal(err)
	}
	<-judging
	r.remove()
	g.Recheck()
	close(goOn)
	if got := gone(t, nc); len(got) > 0 {
		t.Errorf("got %q, want a closed connection", got)
	}
	if n := l.of(gate.Admitted); len(n) != 0 {
		t.Errorf("admitted by a judgement that was no longer right: %+v", n)
	}
}

// Many come and go while rights change: none stays that may not. It is the race detector's test too.
func TestRecheckAndNewcomers(t *testing.T) {
	r := &rights{}
	g, _ := start(t, gate.Options{Judge: r.judge})
	var wg sync.WaitGroup
	go func() {
		for {
			c, err := g.Listener().Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	var half sync.WaitGroup
	half.Add(100)
	for i := range 200 {
		wg.Go(func() {
			here, there := net.Pipe()
			g.Take(here, ben)
			there.Write(helloFor(mayRead))
			if i < 100 {
				half.Done()
			}
			io.Copy(io.Discard, there)
		})
	}
	half.Wait()
	r.remove()
	g.Recheck()
	wg.Wait() // every one has been closed
	if n := g.Conns(); n != 0 {
		t.Errorf("%d connections of who was removed", n)
	}
}

func TestBounds(t *testing.T) {
	g, l := start(t, gate.Options{Judge: func(k signed.Key, _ [20]byte) (string, error) {
		return fmt.Sprintf("account %d", k[1]), nil
	}})
	go func() {
		for {
			if _, err := g.Listener().Accept(); err != nil {
				return
			}
		}
	}()
	refusals := func(key signed.Key) (n int) {
		for _, note := range l.of(gate.Refused) {
			if note.Device == key && note.Why == "too many connections" {
				n++
			}
		}
		return n
	}
	reach := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); g.Conns() != n; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections are open, want %d", g.Conns(), n)
			}
		}
	}
	open := func(key signed.Key, n int) {
		t.Helper()
		before := g.Conns()
		for i := range n {
			if _, err := member(t, g, key).Write(helloFor(mayRead)); err != nil {
				t.Fatal(err)
			}
			if i%8 == 7 || i == n-1 {
				reach(before + i + 1) // a device may have only a few handshakes under way
			}
		}
	}
	refused := func(key signed.Key) {
		t.Helper()
		nc := member(t, g, key)
		nc.Write(helloFor(mayRead))
		gone(t, nc)
		if n := refusals(key); n != 1 {
			t.Errorf("device %x: %d refusals, want 1", key[:2], n)
		}
	}
	open(signed.Key{1, 1}, 256)
	reach(256)
	refused(signed.Key{1, 1})
	open(signed.Key{2, 1}, 256)
	reach(512)
	refused(signed.Key{3, 1}) // another device of the account
	for i := byte(2); i <= 4; i++ {
		open(signed.Key{1, i}, 256)
		open(signed.Key{2, i}, 256)
	}
	reach(2048)
	refused(signed.Key{1, 9}) // all together
}

func TestGarbageIsBarredForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := start(t, gate.Options{Judge: (&rights{}).judge})
		enter := func(key signed.Key, hash [20]byte) net.Conn {
			go member(t, g, key).Write(helloFor(hash))
			return accept(t, g)
		}
		other := [20]byte{9}
		bad, again, elsewhere, friend := enter(ben, mayRead), enter(ben, mayRead), enter(ben, other), enter(signed.Key{7}, mayRead)
		bad.(interface{ Garbage() }).Garbage()
		for name, c := range map[string]net.Conn{"the connection": bad, "the device's other one": again} {
			if _, err := c.Write([]byte("x")); err == nil {
				t.Errorf("%s is still open", name)
			}
		}
		if n := g.Conns(); n != 2 {
			t.Errorf("%d connections are open, want the device's for another torrent and the other device's", n)
		}
		if n := l.of(gate.Garbage); len(n) != 1 || n[0].Account != "account 01" || n[0].Device != ben || n[0].Bad != 1 || n[0].Infohash != mayRead {
			t.Errorf("got %+v, want one note that names the account", n)
		}
		if tr := g.Traffic()["account 01"]; tr.Bad != 1 {
			t.Errorf("traffic %+v, want it counted as bad", tr)
		}
		nc := member(t, g, ben)
		nc.Write(helloFor(mayRead))
		gone(t, nc)
		enter(ben, other).Close()
		time.Sleep(14 * time.Minute) // on a clock of the test's own
		nc = member(t, g, ben)
		nc.Write(helloFor(mayRead))
		gone(t, nc)
		time.Sleep(2 * time.Minute)
		enter(ben, mayRead).Close()
		elsewhere.Close()
		friend.Close()
		g.Close()
	})
}

// TestBothInfohashesAreOneTorrent: who sent garbage by one infohash of a hybrid is kept from it by the other too, and hears the one
// he asked for.
func TestBothInfohashesAreOneTorrent(t *testing.T) {
	v1, v2 := mayRead, [20]byte{3}
	g, l := start(t, gate.Options{Judge: (&rights{}).judge, One: func(h [20]byte) [20]byte {
		if h == v2 {
			return v1
		}
		return h
	}})
	enter := func(hash [20]byte) net.Conn {
		t.Helper()
		go member(t, g, ben).Write(helloFor(hash))
		c := accept(t, g)
		got := make([]byte, 68)
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, helloFor(hash)) {
			t.Fatalf("the client hears %q, %v", got, err)
		}
		return c
	}
	a, b := enter(v1), enter(v2)
	b.(interface{ Garbage() }).Garbage()
	if n := g.Conns(); n != 0 {
		t.Errorf("%d connections of the device are open for the torrent", n)
	}
	a.Close()
	for _, h := range [][20]byte{v1, v2} {
		nc := member(t, g, ben)
		nc.Write(helloFor(h))
		gone(t, nc)
	}
	if n := l.of(gate.Garbage); len(n) != 1 || n[0].Infohash != v1 {
		t.Errorf("got the notes %+v, want one of the v1 infohash", n)
	}
}

// What we dial is judged by the handshake that the torrent client sends, and the answer must be for the same torrent.
func TestDial(t *testing.T) {
	answer := func(hash [20]byte) func(net.Conn) {
		return func(c net.Conn) {
			io.ReadFull(c, make([]byte, 68))
			c.Write(append(helloFor(hash), "rest"...))
		}
	}
	for _, c := range []struct {
		name    string
		key     signed.Key
		asks    [20]byte
		member  func(net.Conn) // the other end
		hears   string         // what comes after the answer's handshake
		refused bool
	}{
		{"a member", ben, mayRead, answer(mayRead), "rest", false},
		{"a torrent that it may not have", ben, mayNot, nil, "", true},
		{"who is none of us any more", mallory, mayRead, nil, "", true},
		{"who answers for another torrent", ben, mayRead, answer(mayNot), "", false},
		{"who answers with something else", ben, mayRead, func(c net.Conn) {
			io.ReadFull(c, make([]byte, 68))
			c.Write(make([]byte, 100))
		}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			here, there := net.Pipe()
			told := make(chan []byte, 1)
			go func() {
				defer close(told)
				defer there.Close()
				if c.member != nil {
					c.member(there)
					return
				}
				b, _ := io.ReadAll(there)
				told <- b
			}()
			g, l := start(t, gate.Options{
				Judge: (&rights{}).judge,
				Dial:  func(context.Context, string) (net.Conn, signed.Key, error) { return here, c.key, nil },
			})
			nc, err := g.DialContext(t.Context(), "198.51.100.1:1")
			if err != nil {
				t.Fatal(err)
			}
			h := helloFor(c.asks)
			go func() { // in parts, as the client may
				nc.Write(h[:20])
				nc.Write(h[20:])
			}()
			nc.SetReadDeadline(time.Now().Add(time.Minute))
			var got [72]byte
			n, err := io.ReadFull(nc, got[:])
			if heard := string(got[min(n, 68):n]); heard != c.hears || (err == nil) != (c.hears != "") {
				t.Errorf("got %q, %v, want %q", got[:n], err, c.hears)
			}
			nc.Close()
			if b := <-told; len(b) != 0 {
				t.Errorf("the other end was told %q, want nothing", b)
			}
			if refused := len(l.of(gate.Refused)) > 0; refused != c.refused {
				t.Errorf("refused: %v, want %v", refused, c.refused)
			}
			if n := g.Conns(); n != 0 {
				t.Errorf("%d connections are left", n)
			}
		})
	}
}

// Who answers before we have asked knows what we would ask for, which nobody can.
func TestDialAnsweredBeforeItAsks(t *testing.T) {
	here, there := net.Pipe()
	g, _ := start(t, gate.Options{
		Judge: (&rights{}).judge,
		Dial:  func(context.Context, string) (net.Conn, signed.Key, error) { return here, ben, nil },
	})
	nc, err := g.DialContext(t.Context(), "198.51.100.1:1")
	if err != nil {
		t.Fatal(err)
	}
	go there.Write(helloFor(mayRead))
	nc.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := nc.Read(make([]byte, 68)); n != 0 || err == nil {
		t.Errorf("got %d bytes, %v, want an error", n, err)
	}
	gone(t, there)
}

func TestDialFails(t *testing.T) {
	no := errors.New("nobody there")
	g, _ := start(t, gate.Options{
		Judge: (&rights{}).judge,
		Dial:  func(context.Context, string) (net.Conn, signed.Key, error) { return nil, signed.Key{}, no },
	})
	if _, err := g.DialContext(t.Context(), "x"); !errors.Is(err, no) {
		t.Errorf("got %v, want the dialer's error", err)
	}
}

// Refusals are summed up: the first is told at once, the rest as one when their minute is over.
func TestNotesAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := start(t, gate.Options{Judge: (&rights{}).judge})
		try := func(n int) {
			for range n {
				nc := member(t, g, ben)
				nc.Write(helloFor(mayNot))
				gone(t, nc)
			}
		}
		try(1000)
		if n := l.of(gate.Refused); len(n) != 1 || n[0].Times != 1 {
			t.Errorf("at once %d notes, want the first", len(n))
		}
		time.Sleep(3 * time.Minute)
		if n := l.of(gate.Refused); len(n) != 2 || n[1].Times != 999 {
			t.Errorf("later %+v, want the rest as one", n)
		}
		try(2)
		g.Close()
		if n := l.of(gate.Refused); len(n) != 4 || n[3].Times != 1 {
			t.Errorf("%d notes when the gate is closed, want what was left of them", len(n))
		}
	})
}

// A thousand kinds of refusals at a time are more than anybody reads, and take no more memory than some hundreds.
func TestNotesAreBounded(t *testing.T) {
	n := 0
	g, l := start(t, gate.Options{Judge: func(signed.Key, [20]byte) (string, error) {
		n++
		return "", fmt.Errorf("reason %d", n)
	}})
	for range 3000 {
		nc := member(t, g, ben)
		nc.Write(helloFor(mayNot))
		gone(t, nc)
	}
	g.Close()
	notes, times := l.of(gate.Refused), int64(0)
	for _, n := range notes {
		times += n.Times
	}
	if len(notes) > 520 || times != 3000 {
		t.Errorf("%d notes of %d refusals, want at most 520 of 3000", len(notes), times)
	}
}

// What a long connection carries is noted now and then, each byte once.
func TestServedIsNotedOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := start(t, gate.Options{Judge: (&rights{}).judge})
		nc := member(t, g, ben)
		go nc.Write(helloFor(mayRead))
		c := accept(t, g)
		go io.Copy(io.Discard, nc)
		for range 3 {
			c.Write(make([]byte, 100<<10))
			time.Sleep(time.Hour)
		}
		c.Write(make([]byte, 100<<10))
		c.Close()
		synctest.Wait()
		var sent []int64
		for _, n := range l.of(gate.Served) {
			sent = append(sent, n.Sent)
		}
		if !slices.Equal(sent, []int64{100 << 10, 100 << 10, 100 << 10, 100 << 10}) {
			t.Errorf("noted %v, want 100 KiB four times", sent)
		}
		g.Close()
	})
}

func TestClose(t *testing.T) {
	g, _ := start(t, gate.Options{Judge: (&rights{}).judge, Dial: func(context.Context, string) (net.Conn, signed.Key, error) {
		here, _ := net.Pipe()
		return here, ben, nil
	}})
	silent, open, waiting := member(t, g, ben), member(t, g, ben), member(t, g, ben)
	go open.Write(helloFor(mayRead))
	accept(t, g)
	waiting.Write(helloFor(mayRead)) // admitted, and not taken by the torrent client
	for g.Conns() != 2 {
		time.Sleep(time.Millisecond)
	}
	if err := g.Listener().Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, silent)
	gone(t, open)
	gone(t, waiting)
	if _, err := g.Listener().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
	gone(t, member(t, g, ben))
	if _, err := g.DialContext(t.Context(), "x"); err == nil {
		t.Error("a closed gate dials")
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(helloFor(mayRead))
	f.Add(helloFor(mayRead)[:67])
	f.Add(append(helloFor(mayNot), 1, 2, 3))
	f.Add([]byte("\x13BitTorrent protocoL and then as many bytes as there are in a handshake, or more"))
	f.Add([]byte{})
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &rights{}
		g, _ := start(t, gate.Options{Judge: r.judge})
		defer g.Close()
		nc := member(t, g, ben)
		go func() {
			nc.Write(b)
			if len(b) < 68 {
				nc.Close()
			}
		}()
		may := len(b) >= 68 && string(b[:20]) == "\x13BitTorrent protocol" && [20]byte(b[28:48]) != mayNot
		if !may {
			if len(b) >= 68 {
				if got := gone(t, nc); len(got) > 0 {
					t.Errorf("%q was answered %q", b, got)
				}
			}
			return
		}
		got := make([]byte, len(b))
		if _, err := io.ReadFull(accept(t, g), got); err != nil || string(got) != string(b) {
			t.Errorf("got %q, %v, want %q", got, err, b)
		}
	})
}
