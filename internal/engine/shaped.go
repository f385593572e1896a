package engine

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/types/infohash"

	"github.com/p2pshare/p2pshare/internal/shaper"
)

const (
	// freeBytes of each connection are not counted: the handshakes, which a newcomer should not have to wait
	// for behind those that use the limit up.
	freeBytes = 4 << 10
	// freeWrite is the size up to which a write is carried at once: requests, haves and keep-alives, which a fetch
	// that also serves would else wait for.
	freeWrite = 512
	// turn is the most that is carried at a time: a block and its header, twice.
	turn = 33 << 10
)

// flows are the two directions of a torrent.
type flows struct{ up, down shaper.Flow }

// shapedConn carries what it reads and writes in turns of the shapers.
type shapedConn struct {
	net.Conn
	e      *Engine
	remote net.Addr
	key    string
	flows  atomic.Pointer[flows] // of its torrent, once the handshake has named one
	ctx    context.Context       // ends with Close, which must end a wait for a turn
	cancel context.CancelFunc
	read   atomic.Int64
}

// shape wraps a connection and remembers it until it is closed. It belongs to no torrent before its handshake.
func (e *Engine) shape(nc net.Conn) net.Conn {
	c := &shapedConn{Conn: nc, e: e, remote: e.zones.shown(nc.RemoteAddr())}
	c.key = c.remote.String()
	c.flows.Store(&e.nobody)
	c.ctx, c.cancel = context.WithCancel(e.ctx)
	e.mu.Lock()
	e.unclaimed[c.key] = append(e.unclaimed[c.key], c)
	e.mu.Unlock()
	return c
}

// RemoteAddr is the other side's address, without a zone.
func (c *shapedConn) RemoteAddr() net.Addr {
	if c.remote == nil { // of the server of whole pieces, which the client never sees
		return c.e.zones.shown(c.Conn.RemoteAddr())
	}
	return c.remote
}

// claim tells the connection of a handshake which torrent it is about. Two to one address that shake hands at the
// same moment may be taken for each other, which only mixes up whose limit counts.
func (e *Engine) claim(pc *torrent.PeerConn, hash infohash.T) {
	key := pc.RemoteAddr.String()
	e.mu.Lock()
	t, list := e.byShort[hash], e.unclaimed[key]
	if t == nil || len(list) == 0 {
		e.mu.Unlock()
		return
	}
	c := list[0]
	c.flows.Store(&t.flows)
	e.unclaim(c)
	e.mu.Unlock()
	if g, ok := c.Conn.(*guest); ok {
		t.seat(g, pc)
	}
}

// unclaim forgets a connection. e.mu is held.
func (e *Engine) unclaim(c *shapedConn) {
	list := e.unclaimed[c.key]
	for i := range list {
		if list[i] == c {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(e.unclaimed, c.key)
	} else {
		e.unclaimed[c.key] = list
	}
}

// Read charges what came after it came.
func (c *shapedConn) Read(b []byte) (int, error) {
	f := &c.flows.Load().down
	if !c.e.down.Limits(f) {
		return c.Conn.Read(b)
	}
	n, err := c.Conn.Read(b[:min(len(b), turn)])
	if c.read.Add(int64(n)) > freeBytes && n > 0 {
		if werr := c.e.down.Wait(c.ctx, f, n); werr != nil && err == nil {
			err = net.ErrClosed
		}
	}
	return n, err
}

// Write waits for a turn for every part.
func (c *shapedConn) Write(b []byte) (done int, err error) {
	f := &c.flows.Load().up
	if len(b) <= freeWrite || !c.e.up.Limits(f) {
		return c.write(b)
	}
	for len(b) > 0 {
		part := b[:min(len(b), turn)]
		if err := c.e.up.Wait(c.ctx, f, len(part)); err != nil {
			return done, net.ErrClosed
		}
		n, err := c.write(part)
		done += n
		if err != nil {
			return done, err
		}
		b = b[n:]
	}
	return done, nil
}

// write ends with an error if the other side takes nothing for long. The client sets no deadline of its own for what it
// writes after the handshakes.
func (c *shapedConn) write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(unreadStall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Close ends waits for a turn too.
func (c *shapedConn) Close() error {
	c.cancel()
	c.e.mu.Lock()
	c.e.unclaim(c)
	c.e.mu.Unlock()
	return c.Conn.Close()
}
