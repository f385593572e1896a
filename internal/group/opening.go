package group

import (
	"errors"
	"slices"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// What members seal for each other, the keys of audiences and what shares say, is opened here. Any member signs boxes, large ones
// and many, and to open one takes time. So it is done by whoever has brought the records, by one at a time and without g.mu: who
// asks meanwhile what the group is, as every connection does, is told what was opened before.

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
	g.opening.Lock()
	defer g.opening.Unlock()
	return g.openLine()
}

// openWoken opens records whose time has come, which nobody has brought just now, unless somebody is opening.
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

// openLine is open with g.opening held.
func (g *Group) openLine() error {
	if err := g.absorb(); err != nil {
		return err
	}
	g.mu.Lock()
	line := slices.Clone(g.unopened)
	g.woken = false
	g.mu.Unlock()
	var errs []error
	for _, p := range line {
		errs = append(errs, g.openShares(p))
	}
	return errors.Join(errs...) // who brings more meanwhile opens that
}

// opened is the state of now, with all that it hands to this machine's account.
func (g *Group) opened() (*acl.State, error) {
	if !g.Ready() {
		return nil, g.errNotReady()
	}
	if err := g.open(); err != nil {
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
			if p.cat.Sealed > 0 {
				p.again = true
				g.line(p)
			}
		}
	}
	if news || link {
		g.tell()
	}
	return err
}

// openShares reads what the catalog has not read yet of a log in line.
func (g *Group) openShares(p *parts) error {
	g.mu.Lock()
	g.unopened = slices.DeleteFunc(g.unopened, func(o *parts) bool { return o == p })
	next, again, cat := p.next, p.again, p.cat
	here := g.devices[p.acl.Device] == p
	g.mu.Unlock()
	if !here {
		return nil // it was replaced, or removed
	}
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
	p.cat, p.next, p.again = &read, p.next[len(next):], false // the rest has come meanwhile, and is in line
	g.staleIndex()
	g.tell()
	return nil
}
