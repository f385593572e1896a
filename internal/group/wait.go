package group

import (
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// A record from the future is kept with its log and ends it for now. It counts, with what follows it, when its time has
// come: at every member, and without a restart.

// wait notes when a log that ends at a record from the future can be read on. g.mu is held, or nobody else knows g yet.
func (g *Group) wait(p *parts) error {
	delete(g.future, p.acl.Device)
	if !p.acl.Waits() {
		return nil
	}
	lines, err := g.unread(p, 1)
	if err != nil || len(lines) == 0 {
		return err
	}
	r, err := signed.ParseRecord(lines[0])
	if err != nil {
		return err // it was parsed before
	}
	g.future[p.acl.Device] = time.UnixMilli(r.N).Add(-signed.MaxAhead)
	return nil
}

// wake reads on where the time has come. g.mu is held.
func (g *Group) wake() error {
	now := g.now()
	for device, due := range g.future {
		p := g.devices[device]
		if p == nil {
			delete(g.future, device) // it was forgotten
			continue
		}
		if now.Before(due) {
			continue
		}
		if err := g.readOn(p); err != nil {
			return err
		}
		g.woken = true
	}
	return nil
}

// readOn reads the records of a log that waited. g.mu is held.
func (g *Group) readOn(p *parts) error {
	lines, err := g.unread(p, signed.MaxLog)
	if err != nil {
		return err
	}
	before := p.acl.Size
	g.toOpen(p, p.add(signed.ParseLog(p.acl.Device, p.acl.Size, p.acl.Last, slices.Values(lines), g.now())))
	if p.acl.Size > before || !p.acl.Waits() {
		g.touched(p)
		g.tell()
	}
	return g.wait(p)
}

// unread are the records of a log from where it was read to, in about limit bytes, at least one where there is one.
func (g *Group) unread(p *parts, limit int) ([][]byte, error) {
	b, err := g.log.Lines(p.acl.Device, p.acl.Size, limit)
	if err != nil {
		return nil, err
	}
	return slices.Collect(signed.Lines(b)), nil
}
