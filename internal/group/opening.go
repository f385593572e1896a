package group

import (
	"errors"
	"slices"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// What members seal for each other, the keys of audiences and what shares say, is opened here. Any member signs boxes, large ones
// and many, and to open one takes time. So it is done by whoever has brought the records, without g.mu: who asks meanwhile what the
// group is, as every connection does, is told what was opened before. Keys are opened by one at a time, who holds g.absorbing, and
// shares by another, who holds g.opening. Who signs waits for keys, and for his own shares, which are no others' work.

// toOpen puts records in line for the catalog. g.mu is held.
func (g *Group) toOpen(p *parts, records []signed.Record) {
	if len(records) == 0 {
		return
	}
	p.next = append(p.next, records...)
	g.line(p)
}

// line puts a log in line, once. g.mu is held.
func (g *Group) line(p *parts) {
	if !slices.Contains(g.unopened, p) {
		g.unopened = append(g.unopened, p)
	}
}

// open opens what has come until now. Neither g.writing nor g.mu is held.
func (g *Group) open() error {
	if err := g.absorb(); err != nil {
		return err
	}
	g.opening.Lock()
	defer g.opening.Unlock()
	return g.openLine()
}

// openOwn opens what this machine has just signed and keys that came, and the rest if nobody else does.
func (g *Group) openOwn() error {
	if err := g.absorb(); err != nil {
		return err
	}
	g.mu.Lock()
	p := g.devices[g.device.Public()]
	g.mu.Unlock()
	if p != nil {
		if err := g.openShares(p); err != nil {
			return err
		}
	}
	if !g.opening.TryLock() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.woken = true // new keys may open more, which who opens has passed by
		return nil
	}
	defer g.opening.Unlock()
	return g.openLine()
}

// openWoken opens the shares of records whose time has come, which nobody has brought just now, unless somebody is opening.
func (g *Group) openWoken() error {
	g.mu.Lock()
	err := g.wake()
	woken := g.woken
	g.mu.Unlock()
	if err != nil || !woken || !g.opening.TryLock() {
		return err
	}
	defer g.opening.Unlock()
	return g.openLine()
}

// openLine opens the shares that are in line. g.opening is held.
func (g *Group) openLine() error {
	var errs []error
	for left := true; left && errors.Join(errs...) == nil; {
		g.mu.Lock()
		line := slices.Clone(g.unopened)
		g.woken = false
		g.mu.Unlock()
		for _, p := range line {
			errs = append(errs, g.openShares(p))
		}
		g.mu.Lock()
		left = g.woken // who brings more opens that; this is of nobody who waits
		g.mu.Unlock()
	}
	return errors.Join(errs...)
}

// opened is the state of now, with all keys that it hands to this machine's account.
func (g *Group) opened() (*acl.State, error) {
	if !g.Ready() {
		return nil, g.errNotReady()
	}
	if err := g.absorb(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.absorbed, nil
}

// absorb opens what the state of now hands to this machine's account. What could not be opened before may open by the new keys.
func (g *Group) absorb() error {
	if !g.Ready() {
		return nil
	}
	g.absorbing.Lock()
	defer g.absorbing.Unlock()
	g.mu.Lock()
	s, err := g.folded()
	before := g.absorbed
	g.mu.Unlock()
	if err != nil || s == before {
		return err
	}
	var news, link bool
	if g.link.Kind == signed.Private {
		news, link, err = g.keys.absorb(s, g.now())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.absorbed = s
	if news {
		for _, p := range g.devices {
			if p.cat.Sealed > 0 || p.reads {
				p.keys++
				g.line(p)
			}
		}
	}
	if news || link {
		g.tell()
	}
	return err
}

// openShares reads what the catalog has not read yet of a log, one at a time.
func (g *Group) openShares(p *parts) error {
	p.opening.Lock()
	defer p.opening.Unlock()
	g.mu.Lock()
	g.unopened = slices.DeleteFunc(g.unopened, func(o *parts) bool { return o == p })
	next, keys, cat := p.next, p.keys, p.cat
	again, here := keys != p.tried, g.devices[p.acl.Device] == p
	work := here && (again || len(next) > 0)
	p.reads = work
	g.mu.Unlock()
	if !work {
		return nil // or it was replaced, or removed
	}
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		p.reads = false
	}()
	records := next
	if again {
		l, err := g.log.Log(p.acl.Device, g.now())
		if err != nil {
			return err // tried again with the next records
		}
		records = slices.Concat(l.Records[:min(cat.Size, int64(len(l.Records)))], next)
		cat = catalog.NewPart(p.acl.Device)
	}
	read, err := cat.Read(records, g.opener)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p.cat, p.next, p.tried = &read, p.next[len(next):], keys // what has come meanwhile is in line
	g.staleIndex()
	g.tell()
	return nil
}
