package node

import (
	"context"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/group"
)

// mirrorPause lets a burst of changes come together before they are acted on.
const mirrorPause = 500 * time.Millisecond

func validGlob(g string) bool { return doublestar.ValidatePattern(g) }

// mirror fetches what appears in a group that is followed, and drops what is not to be kept any more, until ctx ends.
func (m *member) mirror(ctx context.Context) {
	for {
		changed, _ := m.Changed()
		if f := m.Settings().Follow; f != nil && m.Ready() {
			m.mirrorOnce(ctx, *f)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.follow:
		case <-changed:
			timer := time.NewTimer(mirrorPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
	}
}

func (m *member) mirrorOnce(ctx context.Context, f group.Follow) {
	ix, err := m.Index()
	if err != nil {
		m.s.n.log.Warn("following a group", "group", m.Name(), "error", err)
		return
	}
	k := m.s.n.keeper
	wanted := map[string]bool{}
	for _, e := range wantedEntries(ix, f) {
		info := e.Info.String()
		wanted[info] = true
		if k.mirrors(m.ID().String(), info) {
			continue
		}
		r := FetchRequest{Ref: magnetOf(e, nil), Dir: f.Dir, Seed: true, Entry: signedEntry(m.Name(), e), Mirror: m.ID().String()}
		for _, nb := range m.crowd.Neighbours() {
			r.Peers = append(r.Peers, nb.Addr)
		}
		if full, _, err := m.Share(e); err == nil {
			r.WebSeeds = nil
			r.Ref = magnetOf(e, full.WebSeeds)
		}
		if _, err := m.torrentOf(ctx, e); err != nil {
			m.s.n.log.Debug("a mirror asks the swarm for a torrent", "entry", e.Ref(), "error", err)
		}
		if err := k.beginFetch(r); err != nil {
			m.s.n.log.Warn("a mirror cannot fetch an entry", "group", m.Name(), "entry", e.Ref(), "error", err)
			continue
		}
		m.s.n.log.Info("a mirror fetches an entry", "group", m.Name(), "entry", e.Ref(), "published", entryTime(e))
	}
	k.dropMirrored(m.ID().String(), wanted)
}

// wantedEntries are the newest of each name that match, as many as are to be kept and have room, the newest of all first.
func wantedEntries(ix *catalog.Index, f group.Follow) (out []*catalog.Entry) {
	var space int64
	for depth := 0; ; depth++ {
		more := false
		for _, name := range ix.Names() {
			if depth >= len(name.Versions) || f.Keep > 0 && depth >= f.Keep || !matchesAny(f.Match, name.Name) {
				continue
			}
			more = true
			e := name.Versions[depth]
			if f.Space > 0 && space+e.Size > f.Space {
				continue
			}
			space += e.Size
			out = append(out, e)
		}
		if !more {
			return out
		}
	}
}

func matchesAny(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if ok, err := doublestar.Match(g, name); ok && err == nil {
			return true
		}
	}
	return false
}

// mirrors says whether an entry is here as part of a mirror, or for another reason.
func (k *keeper) mirrors(group, info string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, it := range k.items {
		if it.rec.Info == info {
			return true
		}
	}
	return false
}

// beginFetch takes a fetch that nobody waits for.
func (k *keeper) beginFetch(r FetchRequest) error {
	ref, err := catalog.ParseRef(r.Ref)
	if err != nil {
		return err
	}
	it, there, err := k.newFetch(r, ref)
	if err != nil || there != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.start(it, nil)
	return nil
}

// dropMirrored removes what a mirror fetched and is not wanted any more, with its files: it was the mirror's own.
func (k *keeper) dropMirrored(group string, wanted map[string]bool) {
	k.mu.Lock()
	var gone []*item
	for _, it := range k.items {
		if it.rec.Mirror == group && !wanted[it.rec.Info] {
			gone = append(gone, it)
		}
	}
	k.mu.Unlock()
	for _, it := range gone {
		if err := k.removeOne(it, true); err != nil {
			k.n.log.Warn("a mirror cannot drop an entry", "share", it.rec.Name, "error", err)
		}
	}
}
