package gate

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/internal/places"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// account counts what passes between us and an account.
type account struct {
	name           string
	sent, got, bad atomic.Int64
	conns          int // Gate.mu
}

// conn is a member's connection. Inbound ones reach the torrent client after they were judged; ours are judged when
// the client sends its handshake.
type conn struct {
	net.Conn
	g    *Gate
	key  signed.Key
	ours bool // we dialled

	hello *places.Place[signed.Key] // of one that came in, while it shakes hands
	spoke atomic.Bool               // its handshake has been read

	asked [20]byte // the torrent that was asked for, may or not
	name  string   // the account, if the judge knew one

	// Set by Gate.insert.
	account *account
	hash    [20]byte
	began   time.Time

	head   []byte // read already, for the client
	mu     sync.Mutex
	saying []byte // of ours: the handshake so far
	open   atomic.Bool
	heard  atomic.Bool // of ours: the answer is right

	sent, got atomic.Int64
	once      sync.Once

	served struct {
		sync.Mutex
		at        time.Time
		sent, got int64
	}
}

func newConn(g *Gate, nc net.Conn, key signed.Key) *conn {
	return &conn{Conn: nc, g: g, key: key}
}

// Member names the device at the other end.
func (c *conn) Member() string { return c.key.String() }

// Garbage is called by the torrent client for a connection by which a piece, or a part of one, came wrong. The device
// is kept from the torrent for a while, on this connection and others.
func (c *conn) Garbage() {
	c.g.mu.Lock()
	known := c.account != nil
	c.g.mu.Unlock()
	if known {
		c.g.bar(c)
	}
}

// Read gives what the peer sends, its handshake first.
func (c *conn) Read(b []byte) (int, error) {
	if c.ours && !c.heard.Load() {
		if err := c.hear(); err != nil {
			c.Close()
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(b, c.head)
		c.head = c.head[n:]
		c.count(0, n)
		return n, nil
	}
	n, err := c.Conn.Read(b)
	c.count(0, n)
	return n, err
}

// Write sends what the client says, its handshake only after it was judged.
func (c *conn) Write(b []byte) (int, error) {
	if c.ours && !c.open.Load() {
		return c.say(b)
	}
	n, err := c.Conn.Write(b)
	c.count(n, 0)
	return n, err
}

// Close ends the connection at once. TLS would first wait for its last word to go out, up to five seconds, in which
// the torrent client holds its lock.
func (c *conn) Close() error {
	c.end(Served, nil)
	return c.hangUp()
}

// say gathers the handshake of the torrent client, judges it, and sends it.
func (c *conn) say(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saying = append(c.saying, b...)
	if len(c.saying) < helloLen {
		return len(b), nil
	}
	h := hello(c.saying[:helloLen])
	err := h.check()
	if err == nil {
		err = c.g.admit(c, h.infohash())
	}
	if err != nil {
		c.g.refuse(c, err)
		return 0, net.ErrClosed
	}
	c.open.Store(true)
	n, err := c.Conn.Write(c.saying)
	c.count(n, 0)
	c.saying = nil
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// hear reads the answer to our handshake: it must be for the same torrent.
func (c *conn) hear() error {
	h, err := readHello(c.Conn)
	if err != nil {
		return err
	}
	if !c.open.Load() || h.infohash() != c.asked {
		return errOtherOne // and it knew nothing to answer to, if we had not spoken
	}
	c.head = h[:]
	c.heard.Store(true)
	return nil
}

func (c *conn) count(sent, got int) {
	a := c.account
	if sent > 0 {
		c.sent.Add(int64(sent))
		a.sent.Add(int64(sent))
	}
	if got > 0 {
		c.got.Add(int64(got))
		a.got.Add(int64(got))
	}
}

// cut closes a connection whose right has ended.
func (c *conn) cut(why error) {
	c.end(Cut, why) // before the torrent client sees that it is closed, and ends it as served
	_ = c.hangUp()
}

// end takes the connection out of the tables and notes what it carried.
func (c *conn) end(what string, why error) {
	c.once.Do(func() {
		if !c.g.leave(c) {
			return
		}
		now := c.g.o.Now()
		if what == Served {
			c.noteServed(now, 0)
			return
		}
		n := c.carried(now)
		n.What, n.Why = what, why.Error()
		c.g.o.Note(n)
	})
}

// noteServed notes what was carried since the last note, if that was at least every ago.
func (c *conn) noteServed(now time.Time, every time.Duration) {
	c.served.Lock()
	last := c.served.at
	if last.IsZero() {
		last = c.began
	}
	early := now.Sub(last) < every
	carried := c.sent.Load() + c.got.Load() - c.served.sent - c.served.got
	c.served.Unlock()
	if early || carried < servedLeast {
		return
	}
	n := c.carried(now)
	n.What = Served
	c.g.o.Note(n)
}

// carried is a note of what was carried since the last one.
func (c *conn) carried(now time.Time) Note {
	c.served.Lock()
	defer c.served.Unlock()
	from := c.served.at
	if from.IsZero() {
		from = c.began
	}
	sent, got := c.sent.Load(), c.got.Load()
	n := Note{
		Time: now, Account: c.account.name, Device: c.key, From: c.from(), Infohash: c.hash,
		Sent: sent - c.served.sent, Got: got - c.served.got, Seconds: now.Sub(from).Seconds(), Times: 1,
	}
	c.served.at, c.served.sent, c.served.got = now, sent, got
	return n
}

// hangUp closes what is below TLS, which takes no time.
func (c *conn) hangUp() error {
	nc := c.Conn
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	err := nc.Close()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// from is the peer's IP address.
func (c *conn) from() string {
	addr := c.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
