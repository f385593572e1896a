package engine

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"time"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"github.com/anacrolix/torrent/types/infohash"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// A fault of ours that a peer has found costs that peer. What runs in goroutines of the client's cannot be caught but
// in what it calls of ours: connections, listeners, dialers, callbacks.

var errFault = errors.New("p2pshare has a fault, which its log describes")

// fault notes one.
func (e *Engine) fault(where string, bug *panics.Error) {
	bug.Log(e.settings.Log, "the engine", "where", where)
}

// caught notes a fault, if there is one, and calls then. It is to be deferred.
func (e *Engine) caught(where string, then func()) {
	v := recover()
	if v == nil {
		return
	}
	e.fault(where, &panics.Error{Value: v, Stack: debug.Stack()})
	if then != nil {
		then()
	}
}

// persist gives a function that runs f until it returns or ctx ends. After a fault it runs again, but not at once.
func (e *Engine) persist(ctx context.Context, what string, f func()) func() {
	return panics.Persist(ctx, f, func(bug *panics.Error) { e.fault(what, bug) })
}

// apart gives a function that calls f in a goroutine of its own, for who holds a lock that f may wait for.
func (e *Engine) apart(what string, f func()) func() {
	guarded := panics.Guard(f, func(bug *panics.Error) { e.fault(what, bug) })
	return func() { go guarded() }
}

// contained is a connection that ends when a layer of it runs into a fault.
type contained struct {
	net.Conn
	e   *Engine
	raw net.Conn // the lowest layer, which ends the others
}

// contain puts all layers of ours on a connection that speaks plainly by now.
func (e *Engine) contain(c net.Conn) net.Conn {
	return &contained{Conn: e.hold(e.follow(c)), e: e, raw: c}
}

func (c *contained) Read(b []byte) (n int, err error) {
	defer c.e.caught("reading from a peer", func() {
		c.raw.Close()
		n, err = 0, errFault
	})
	return c.Conn.Read(b)
}

func (c *contained) Write(b []byte) (n int, err error) {
	defer c.e.caught("writing to a peer", func() {
		c.raw.Close()
		n, err = 0, errFault
	})
	return c.Conn.Write(b)
}

func (c *contained) Close() (err error) {
	defer c.e.caught("closing a connection", func() { err = c.raw.Close() })
	return c.Conn.Close()
}

// SetDeadline does not fail. The client panics if it does, which it would for a connection that was closed meanwhile; the
// read that follows says so as well.
func (c *contained) SetDeadline(t time.Time) error {
	_ = c.Conn.SetDeadline(t)
	return nil
}

// The callbacks of the client, which holds its lock then: whoever they are about is closed by another goroutine.

func (e *Engine) faulty(pc *torrent.PeerConn) func() {
	return e.apart("closing a connection", func() { pc.Close() })
}

func (e *Engine) onHandshake(pc *torrent.PeerConn, hash infohash.T) {
	defer e.caught("a peer's handshake", nil) // the client's own is not over yet
	e.claim(pc, hash)
}

func (e *Engine) onMessage(pc *torrent.PeerConn, m *pp.Message) {
	defer e.caught("a peer's message", e.faulty(pc))
	e.noteHaves(pc, m)
	e.judgePEX(pc, m)
}

func (e *Engine) onExtendedHandshake(pc *torrent.PeerConn, d *pp.ExtendedHandshakeMessage) {
	defer e.caught("a peer's extension handshake", e.faulty(pc))
	e.readHandshake(pc, d)
}

func (e *Engine) onClosed(pc *torrent.PeerConn) {
	defer e.caught("the end of a connection", nil)
	e.forgetConn(pc)
}
