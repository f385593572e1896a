package gate

import (
	"errors"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// enter gives a connection a place for its handshake, and counts it into wg.
func (g *Gate) enter(c *conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	if !c.ours { // the client bounds how many it dials
		c.hello = g.young.Take(c.key, c.crowdedOut)
	}
	p := g.peers[c.key]
	if p == nil {
		p = &peer{}
		g.peers[c.key] = p
	}
	p.hellos++
	g.hellos[c] = struct{}{}
	g.wg.Add(1)
	return nil
}

// crowdedOut is called when the place of a handshake goes to another. Its connection ends, and says so; but one that is
// through waits for us alone.
func (c *conn) crowdedOut() {
	if !c.spoke.Load() {
		_ = c.hangUp()
	}
}

// receive reads what a member says first, and judges it.
func (g *Gate) receive(c *conn) error {
	if err := c.Conn.SetReadDeadline(time.Now().Add(helloTime)); err != nil {
		return errSilent
	}
	h, err := readHello(c.Conn)
	if errors.Is(err, errNotBitTorrent) {
		return err
	}
	if err != nil {
		return errSilent // whatever the network says of it
	}
	c.spoke.Store(true)
	c.hello.Leave()
	if err := c.Conn.SetReadDeadline(time.Time{}); err != nil {
		return errSilent
	}
	c.head = h[:]
	return g.admit(c, h.infohash())
}

// admit judges a connection and puts it into the table, or says why not.
func (g *Gate) admit(c *conn, hash [20]byte) error {
	c.asked = hash
	hash = g.o.One(hash)
	for {
		g.mu.Lock()
		at := g.judgings
		g.mu.Unlock()
		name, err := g.o.Judge(c.key, hash)
		c.name = name
		if err != nil {
			return err
		}
		again, err := g.insert(c, hash, name, at)
		if again {
			continue // the rights have changed since
		}
		if err == nil {
			g.notes.sum(Note{What: Admitted, Account: name, Device: c.key, From: c.from(), Infohash: hash})
		}
		return err
	}
}

func (g *Gate) insert(c *conn, hash [20]byte, name string, at uint64) (again bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.judgings != at {
		return true, nil
	}
	p, a := g.peers[c.key], g.accounts[name]
	if _, here := g.hellos[c]; !here || g.closed {
		return false, errClosed // by the peer, or by us
	}
	if until, barred := g.bars[right{c.key, hash}]; barred && g.o.Now().Before(until) {
		return false, errBarred
	}
	if a == nil {
		a = &account{name: name}
		g.accounts[name] = a
	}
	if p.conns >= maxPerPeer || a.conns >= maxPerAccount || len(g.conns) >= maxConns {
		return false, errTooMany
	}
	g.leaveHello(c)
	g.peers[c.key] = p // leaveHello forgets a peer that has nothing
	p.conns++
	a.conns++
	c.account, c.hash, c.began = a, hash, g.o.Now()
	g.conns[c] = struct{}{}
	return false, nil
}

// leaveHello frees the place of a handshake. g.mu is held.
func (g *Gate) leaveHello(c *conn) {
	if _, here := g.hellos[c]; !here {
		return
	}
	delete(g.hellos, c)
	c.hello.Leave()
	if p := g.peers[c.key]; p != nil {
		p.hellos--
		g.forget(c.key, p)
	}
}

func (g *Gate) forget(key signed.Key, p *peer) {
	if p.hellos == 0 && p.conns == 0 {
		delete(g.peers, key)
	}
}

// leave takes a connection out of the tables, and says whether it was in that of the open ones.
func (g *Gate) leave(c *conn) (was bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaveHello(c)
	if _, was = g.conns[c]; !was {
		return false
	}
	delete(g.conns, c)
	c.account.conns--
	p := g.peers[c.key]
	p.conns--
	g.forget(c.key, p)
	return true
}

// refuse closes a connection without a word, and tells the audit.
func (g *Gate) refuse(c *conn, why error) {
	// Noted first, so that who hears that it is out finds it in the audit.
	if !errors.Is(why, errClosed) && g.ctx.Err() == nil { // else nobody refused it
		g.o.Log.Debug("a connection for content was refused", "device", c.key.String(), "from", c.from(), "error", why)
		g.notes.sum(Note{What: Refused, Account: c.name, Device: c.key, From: c.from(), Infohash: c.asked, Why: why.Error()})
	}
	g.leave(c)
	_ = c.hangUp() // it is closed, whatever that says
}
