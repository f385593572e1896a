package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// mirrorPause lets a burst of changes come together before they are acted on.
const mirrorPause = 500 * time.Millisecond

func validGlob(g string) bool { return doublestar.ValidatePattern(g) }

// mirrorAgain is when a mirror asks again for what nobody who was online had.
const mirrorAgain = 10 * time.Second

// mirror fetches what appears in a group that is followed, and drops what is not to be kept any more, until ctx ends.
func (m *member) mirror(ctx context.Context) {
	for {
		changed, _ := m.Changed()
		var again <-chan time.Time
		if f := m.followed(); f != nil && m.Ready() && m.mirrorOnce(ctx, *f) {
			again = time.After(mirrorAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
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

// mirrorOnce says whether something could not be begun that a member who comes online may have.
func (m *member) mirrorOnce(ctx context.Context, f group.Follow) (missing bool) {
	ix, err := m.Index()
	if err != nil {
		m.s.n.log.Warn("following a group", "group", m.Name(), "error", err)
		return false
	}
	k := m.s.n.keeper
	wanted := map[string]bool{}
	for _, e := range wantedEntries(ix, f) {
		info := e.Info.String()
		wanted[info] = true
		if k.mirrors(info) {
			continue
		}
		r, err := m.toMirror(ctx, e, f.Dir)
		if err == nil {
			err = k.beginFetch(r)
		}
		if err != nil {
			m.s.n.log.Warn("a mirror cannot fetch an entry", "group", m.Name(), "entry", e.Ref(), "error", err)
			missing = true
			continue
		}
		m.s.n.log.Info("a mirror fetches an entry", "group", m.Name(), "entry", e.Ref(), "published", entryTime(e))
	}
	if m.holdSealed(ctx, ix, f, wanted) {
		missing = true
	}
	// Most bytes of a new version are in the one before, which goes once the new one is there.
	stays := k.superseded(ix, f, wanted)
	for info := range stays {
		wanted[info] = true
	}
	k.dropMirrored(m.ID().String(), f.Dir, wanted)
	m.backUp(f.Dir)
	return missing || len(stays) > 0
}

// brought has the mirror of a group look at once for what it need not keep any more.
func (n *Node) brought(group string) {
	s := n.groups.Load()
	if group == "" || s == nil {
		return
	}
	for _, m := range s.list() {
		if m.ID().String() == group {
			m.refollow()
		}
	}
}

// refollow says that what to mirror may have changed.
func (m *member) refollow() {
	select {
	case m.follow <- struct{}{}:
	default: // it is said already
	}
}

// toMirror is the fetch of an entry, into a folder of its own: versions of a name have contents of one name, too.
func (m *member) toMirror(ctx context.Context, e *catalog.Entry, dir string) (FetchRequest, error) {
	r := FetchRequest{
		Ref: magnetOf(e, nil), Dir: filepath.Join(dir, filepath.FromSlash(e.Ref())), Seed: true,
		Entry: m.signedEntry(e), Mirror: m.ID().String(),
	}
	b, err := m.torrentOf(ctx, e)
	m.mirrorIndex(ctx, e)
	if m.private() {
		if err != nil || e.Sealed == "" {
			return r, err
		}
		// A backup keeps what is encrypted as it is: it can be served on, and opens with an account's password.
		t, err := metafile.Decode(b)
		if err != nil {
			return r, err
		}
		r.Entry.Held, r.Entry.Content, r.Entry.Size, r.Entry.Files = true, t.Name, t.Size, 1
		return r, nil
	}
	if err != nil {
		m.s.n.log.Debug("a mirror asks the swarm for a torrent", "entry", e.Ref(), "error", err)
	}
	m.neighbours(&r)
	if full, _, err := m.Share(e); err == nil {
		r.Ref = magnetOf(e, full.WebSeeds)
	}
	return r, nil
}

// heldDigits is how much of its torrent's hash names the folder of what a mirror holds: what is in it was named by who
// published it, and two may have chosen one name.
const heldDigits = 16

// holdSealed fetches, for an account of the role mirror, the encrypted content that it cannot read. It says whether some
// could not be begun yet.
func (m *member) holdSealed(ctx context.Context, ix *catalog.Index, f group.Follow, wanted map[string]bool) (missing bool) {
	me, err := m.Account()
	if err != nil || me.Role != acl.Mirror {
		return false
	}
	k := m.s.n.keeper
	var space int64
	for _, h := range slices.Backward(ix.Held()) { // the newest first
		if f.Space > 0 && space+h.Size > f.Space {
			continue
		}
		space += h.Size
		b, err := m.torrentBytes(ctx, h.Torrent)
		if err != nil {
			missing = true
			continue
		}
		t, err := metafile.Decode(b)
		if err != nil {
			m.s.n.log.Warn("a torrent for mirrors is none", "group", m.Name(), "account", h.Account, "error", err)
			continue
		}
		m.noteHeld(t, h.Torrent)
		info := infoHash(t).String()
		wanted[info] = true
		if k.mirrors(info) {
			continue
		}
		r := FetchRequest{Ref: t.Magnet(nil, nil, nil), Dir: filepath.Join(f.Dir, h.Torrent.String()[:heldDigits]), Seed: true, Mirror: m.ID().String(), Entry: &SignedEntry{
			Ref: m.Name() + "/" + t.Name, Account: h.Account, Content: t.Name, Size: h.Size, Files: 1, Info: info,
			Torrent: h.Torrent.String(), Group: m.ID().String(), Sealed: string(seal.File), SealedSize: h.Size, Held: true,
		}}
		if err := k.beginFetch(r); err != nil {
			m.s.n.log.Warn("a mirror cannot fetch what is sealed", "group", m.Name(), "account", h.Account, "error", err)
			missing = true
		}
	}
	return missing
}

// wantedEntries are the newest of each name that match, as many as are to be kept and have room, the newest of all first.
func wantedEntries(ix *catalog.Index, f group.Follow) (out []*catalog.Entry) {
	var space int64
	for depth := 0; ; depth++ {
		more := false
		for _, name := range ix.Names() {
			if depth >= len(name.Versions) || f.Keep > 0 && depth >= f.Keep || !matchesAny(f.Match, name.Name) || ownFolder(name.Name) {
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

// superseded are versions that are not to be kept, but for what a newer one of their name that is under way can take from
// them: of each name the newest that is whole, where there is room beside what is wanted. Nothing of it is remembered, so a
// daemon that starts again decides the same.
func (k *keeper) superseded(ix *catalog.Index, f group.Follow, wanted map[string]bool) map[string]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	here := map[string]*item{}
	for _, it := range k.items {
		here[it.rec.Info] = it
	}
	stays := map[string]bool{}
	var space int64
	for _, e := range ix.Entries() {
		if wanted[e.Info.String()] {
			space += e.Size
		}
	}
	for _, name := range ix.Names() {
		coming, have, last := false, false, (*catalog.Entry)(nil)
		for _, e := range name.Versions {
			it := here[e.Info.String()]
			switch {
			case wanted[e.Info.String()] && (it == nil || it.rec.Fetch != nil && it.state != StateWaiting):
				coming = true // one that waits does so for room, and might for ever
			case wanted[e.Info.String()] && it != nil && it.rec.Fetch == nil:
				have = true // it can take from one that stays anyhow
			case last == nil && !wanted[e.Info.String()] && e.Sealed == "" && it != nil && it.rec.Fetch == nil:
				last = e
			}
		}
		if !coming || have || last == nil || !matchesAny(f.Match, name.Name) || f.Space > 0 && space+last.Size > f.Space {
			continue
		}
		space += last.Size
		stays[last.Info.String()] = true
	}
	return stays
}

// ownFolder says whether an entry would lie where a mirror has what is its own: a publisher could put a folder where the copy
// of the group is to be written.
func ownFolder(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(names.Key(first), names.Key(".p2pshare"))
}

func matchesAny(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if ok, err := doublestar.Match(names.FoldEntry(g), names.FoldEntry(name)); ok && err == nil {
			return true
		}
	}
	return false
}

// mirrors says whether an entry is here as part of a mirror, or for another reason.
func (k *keeper) mirrors(info string) bool {
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
	if err == nil {
		err = checkFetch(r, ref)
	}
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
func (k *keeper) dropMirrored(group, dir string, wanted map[string]bool) {
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
			continue
		}
		// The folders of the entry, as far as nothing else is in them.
		for at := filepath.Dir(it.rec.Path); within(at, dir) && at != dir && os.Remove(at) == nil; at = filepath.Dir(at) {
		}
	}
}
