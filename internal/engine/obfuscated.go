package engine

import (
	"context"
	"errors"
	"expvar"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"github.com/anacrolix/torrent/types/infohash"

	"github.com/p2pshare/p2pshare/internal/places"
)

// Header obfuscation (message stream encryption) is done here, beneath the client, so that wire.go sees the messages
// of every connection. The client is told to speak plainly. As before, we dial obfuscated first and plainly when that
// fails, and answer both.

const (
	// obfuscationTime is what the other side has to answer an obfuscated greeting; a client that does not know it
	// waits for more, or closes at once.
	obfuscationTime = 3 * time.Second
	// plainTime is what the second, plain attempt has for all of it.
	plainTime = 5 * time.Second
	// greetingKey is what an obfuscated greeting begins with: a Diffie-Hellman key.
	greetingKey = 96
)

var (
	errNotGreeting = errors.New("the connection does not begin with a BitTorrent handshake")
	errNotHere     = errors.New("the handshake names a torrent that is not here")
)

// keys lists what an obfuscated greeting may be keyed with: the infohashes of our torrents.
func (e *Engine) keys() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([][]byte, 0, len(e.byShort))
	for h := range e.byShort {
		out = append(out, slices.Clone(h[:]))
	}
	return out
}

// greeting reads the handshake of a newcomer, obfuscated or plain, and gives the connection as the client is to have it:
// plain, the handshake first. What is not for a torrent of ours is an error.
func (e *Engine) greeting(n *newcomer) (net.Conn, error) {
	var head [len(pp.Protocol)]byte
	if _, err := io.ReadFull(n, head[:]); err != nil {
		return nil, err
	}
	n.unread(head[:])
	c := &answered{Conn: n.Conn, rw: n}
	if string(head[:]) != pp.Protocol {
		rw, err := e.clear(n)
		if err != nil {
			return nil, err
		}
		c.rw = rw
	}
	var h [handshakeBytes]byte
	if _, err := io.ReadFull(c.rw, h[:]); err != nil {
		return nil, err
	}
	if string(h[:len(pp.Protocol)]) != pp.Protocol {
		return nil, errNotGreeting
	}
	hash := infohash.T(h[hashBegin:hashEnd])
	e.mu.Lock()
	ours := e.byShort[hash] != nil
	e.mu.Unlock()
	if !ours {
		return nil, errNotHere
	}
	c.head = h[:]
	return c, nil
}

// clear answers an obfuscated greeting. Nothing is computed before the whole key of the other side is there.
func (e *Engine) clear(n *newcomer) (io.ReadWriter, error) {
	var key [greetingKey]byte
	if _, err := io.ReadFull(n, key[:]); err != nil {
		return nil, err
	}
	n.unread(key[:])
	place := n.hold(e.greetings, places.Origin(n.RemoteAddr().String()))
	defer place.Leave()
	rw, _, err := mse.ReceiveHandshake(context.Background(), n, func(try func([]byte) bool) {
		for _, k := range e.keys() {
			if !try(k) {
				return
			}
		}
	}, mse.DefaultCryptoSelector)
	forgetProvides()
	return rw, err
}

// forgetProvides empties what the library (v1.62.0) counts for as long as the process lives: which ciphers each greeting
// offers, a number of 32 bits that the other side chooses.
func forgetProvides() {
	if m, ok := expvar.Get("mseCryptoProvides").(*expvar.Map); ok {
		m.Init()
	}
}

// answered is a connection that came in, after its handshake was read.
type answered struct {
	net.Conn
	rw   io.ReadWriter
	head []byte // to be read again
}

func (a *answered) Read(b []byte) (int, error) {
	if len(a.head) > 0 {
		n := copy(b, a.head)
		a.head = a.head[n:]
		return n, nil
	}
	return a.rw.Read(b)
}

func (a *answered) Write(b []byte) (int, error) { return a.rw.Write(b) }

// greeted is a connection that we dialled. Its obfuscation is keyed with the infohash, which the client's handshake
// tells; so it begins with the write that holds it.
type greeted struct {
	redial func() (net.Conn, error) // another connection to the same address

	opened chan struct{} // closed when rw or err is there
	once   sync.Once
	rw     io.ReadWriter
	err    error
	head   []byte // what was written before that

	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func newGreeted(c net.Conn, redial func() (net.Conn, error)) *greeted {
	return &greeted{conn: c, redial: redial, opened: make(chan struct{})}
}

func (g *greeted) Read(b []byte) (int, error) {
	if <-g.opened; g.err != nil {
		return 0, g.err
	}
	return g.rw.Read(b)
}

// Write is called by one goroutine at a time.
func (g *greeted) Write(b []byte) (int, error) {
	select {
	case <-g.opened:
		if g.err != nil {
			return 0, g.err
		}
		return g.rw.Write(b)
	default:
	}
	g.head = append(g.head, b...)
	if len(g.head) < hashEnd {
		return len(b), nil
	}
	rw, err := g.greet([20]byte(g.head[hashBegin:hashEnd]))
	if err == nil {
		_, err = rw.Write(g.head)
	}
	g.head = nil
	g.settle(rw, err)
	if g.err != nil {
		return 0, g.err
	}
	return len(b), nil
}

// greet tries to be obfuscated, and then, over another connection, to be plain.
func (g *greeted) greet(hash [20]byte) (io.ReadWriter, error) {
	if string(g.head[:len(pp.Protocol)]) != pp.Protocol {
		return nil, errNotGreeting
	}
	c := g.current()
	c.SetDeadline(time.Now().Add(obfuscationTime))
	rw, _, err := mse.InitiateHandshake(c, hash[:], nil, mse.AllSupportedCrypto)
	if err == nil {
		c.SetDeadline(time.Now().Add(plainTime))
		return rw, nil
	}
	c.Close()
	if c, err = g.redial(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	g.conn = c
	return c, c.SetDeadline(time.Now().Add(plainTime))
}

// settle lets readers go on.
func (g *greeted) settle(rw io.ReadWriter, err error) {
	g.once.Do(func() {
		g.rw, g.err = rw, err
		close(g.opened)
	})
}

func (g *greeted) Close() error {
	g.mu.Lock()
	g.closed = true
	c := g.conn
	g.mu.Unlock()
	err := c.Close()
	g.settle(nil, net.ErrClosed)
	return err
}

func (g *greeted) current() net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conn
}

func (g *greeted) LocalAddr() net.Addr  { return g.current().LocalAddr() }
func (g *greeted) RemoteAddr() net.Addr { return g.current().RemoteAddr() }

// The client's deadlines do not hold for greetings, which have their own.
func (g *greeted) SetDeadline(t time.Time) error     { return g.deadline(net.Conn.SetDeadline, t) }
func (g *greeted) SetReadDeadline(t time.Time) error { return g.deadline(net.Conn.SetReadDeadline, t) }
func (g *greeted) SetWriteDeadline(t time.Time) error {
	return g.deadline(net.Conn.SetWriteDeadline, t)
}

func (g *greeted) deadline(set func(net.Conn, time.Time) error, t time.Time) error {
	select {
	case <-g.opened:
		return set(g.current(), t)
	default:
		return nil
	}
}
