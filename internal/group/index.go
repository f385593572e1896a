package group

import "github.com/p2pshare/p2pshare/catalog"

// stale has the group folded again, and its index built. g.mu is held.
func (g *Group) stale() {
	g.state = nil
	g.staleIndex()
}

func (g *Group) staleIndex() {
	g.index = nil
	g.version++
}

// Index is what the group shares now, as far as it was opened.
func (g *Group) Index() (*catalog.Index, error) {
	if !g.Ready() {
		return nil, g.errNotReady()
	}
	if err := g.openWoken(); err != nil {
		return nil, err
	}
	g.indexing.Lock() // of two who ask at a time one builds it
	defer g.indexing.Unlock()
	g.mu.Lock()
	s, err := g.folded()
	if err != nil || g.index != nil {
		defer g.mu.Unlock()
		return g.index, err
	}
	all := make([]*catalog.Part, 0, len(g.devices))
	for _, p := range g.devices {
		all = append(all, p.cat)
	}
	at := g.version
	g.mu.Unlock()
	ix := catalog.Build(all, s, g.now())
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.version == at {
		g.index = ix
	}
	return ix, nil
}
