package gate

import "time"

// bar keeps a device from a torrent for a while, and cuts its connections for it.
func (g *Gate) bar(c *conn) {
	now := g.o.Now()
	r := right{c.key, c.hash}
	g.mu.Lock()
	if len(g.bars) >= maxBars {
		g.dropBar()
	}
	g.bars[r] = now.Add(barTime)
	var open []*conn
	for other := range g.conns {
		if other.key == r.peer && other.hash == r.hash {
			open = append(open, other)
		}
	}
	g.mu.Unlock()
	c.account.bad.Add(1)
	g.o.Note(Note{Time: now, What: Garbage, Account: c.account.name, Device: c.key, From: c.from(), Infohash: c.hash, Bad: 1, Times: 1})
	for _, other := range open {
		other.cut(errBarred)
	}
}

// dropBar forgets the bar that ends first. g.mu is held.
func (g *Gate) dropBar() {
	var first right
	var at time.Time
	for r, until := range g.bars {
		if at.IsZero() || until.Before(at) {
			first, at = r, until
		}
	}
	delete(g.bars, first)
}
