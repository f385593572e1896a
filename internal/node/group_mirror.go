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
	"github.com/p2pshare/p2pshare/internal/signed"
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
	for _, e := range wantedEntries(ix, f, m.Settings().Skip) {
		info := e.Info.String()
		wanted[info] = true
		if k.mirrors(info) || slices.Contains(m.Settings().Skip, info) { // it may have been removed since
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
	// A version goes once a newer one is whole. Most of that one's bytes are in it, too.
	stays := k.superseded(ix, f, wanted)
	for info := range stays {
		wanted[info] = true
	}
	k.dropMirrored(m.ID().String(), f.Dir, wanted)
	m.backUp(f.Dir)
	return missing || len(stays) > 0
}

// skip has the mirror of a group not fetch again what the user removes.
func (n *Node) skip(group, info string) error {
	s, err := n.openGroups(context.Background())
	if err != nil {
		return err
	}
	for _, m := range s.list() {
		if m.ID().String() == group {
			return m.leaveOut(info)
		}
	}
	return nil // the group was left since
}

func (m *member) leaveOut(info string) error {
	return m.Change(func(c *group.Settings) {
		if !slices.Contains(c.Skip, info) {
			c.Skip = append(slices.Clone(c.Skip), info)
		}
	})
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
	full, _, err := m.Share(e)
	if err != nil {
		return FetchRequest{}, err
	}
	r := FetchRequest{
		Ref: magnetOf(e, full.WebSeeds), Dir: filepath.Join(dir, filepath.FromSlash(e.Ref())), Seed: true,
		Entry: m.signedEntry(e, full), Mirror: m.ID().String(),
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
		if slices.Contains(m.Settings().Skip, info) {
			continue
		}
		wanted[info] = true
		if k.mirrors(info) {
			continue
		}
		r := FetchRequest{Ref: t.Magnet(nil, nil, nil), Dir: filepath.Join(f.Dir, h.Torrent.String()[:heldDigits]), Seed: true, Mirror: m.ID().String(), Entry: &SignedEntry{
			Ref: m.Name() + "/" + t.Name, Account: h.Account, N: h.N, Content: t.Name, Size: h.Size, Files: 1, Info: info,
			Torrent: h.Torrent.String(), Group: m.ID().String(), Sealed: string(seal.File), SealedSize: h.Size, Held: true,
		}}
		if h.Sums != (signed.Hash{}) {
			r.Entry.Sums = h.Sums.String()
		}
		if err := k.beginFetch(r); err != nil {
			m.s.n.log.Warn("a mirror cannot fetch what is sealed", "group", m.Name(), "account", h.Account, "error", err)
			missing = true
		}
	}
	return missing
}

// wantedEntries are the newest of each name that match, as many as are to be kept and have room, the newest of all first.
// Releases, pre-releases and words such as nightly are counted apart, so that none drives out the others. Those whose info is among
// skip are left out.
func wantedEntries(ix *catalog.Index, f group.Follow, skip []string) (out []*catalog.Entry) {
	skipped := map[string]bool{}
	for _, info := range skip {
		skipped[info] = true
	}
	var space int64
	for depth := 0; ; depth++ {
		more := false
		for _, name := range ix.Names() {
			if !matchesAny(f.Match, name.Name) || ownFolder(name.Name) {
				continue
			}
			for _, versions := range byClass(name) {
				if depth >= len(versions) || f.Keep > 0 && depth >= f.Keep {
					continue
				}
				more = true
				e := versions[depth]
				if skipped[e.Info.String()] || f.Space > 0 && space+e.Size > f.Space {
					continue
				}
				space += e.Size
				out = append(out, e)
			}
		}
		if !more {
			return out
		}
	}
}

// byClass are a name's versions by their catalog.Class, the latest of each first.
func byClass(name *catalog.Name) (out [3][]*catalog.Entry) {
	for _, e := range name.Versions {
		out[e.Class()] = append(out[e.Class()], e)
	}
	return out
}

// superseded are versions that are not to be kept, but stay as long as newer ones of their kind and name are not whole: of
// what is whole as many stay as are to be kept, so that nobody empties a mirror by publishing what cannot be fetched. They
// stay where there is room beside what is wanted; where --space leaves none, for they were not wanted, one stays to take
// from. Nothing of it is remembered, so a daemon that starts again decides the same.
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
		if !matchesAny(f.Match, name.Name) {
			continue
		}
		for _, versions := range byClass(name) {
			coming, whole := false, 0
			var rest []*catalog.Entry // whole, and not to be kept
			for _, e := range versions {
				it := here[e.Info.String()]
				there := it != nil && it.rec.Fetch == nil
				switch {
				case wanted[e.Info.String()] && there:
					whole++
				case wanted[e.Info.String()]:
					coming = true
				case there && e.Sealed == "":
					rest = append(rest, e)
				}
			}
			if !coming {
				continue
			}
			for _, e := range rest[:min(len(rest), max(max(f.Keep, 1)-whole, 0))] {
				if f.Space > 0 && space+e.Size > f.Space {
					break
				}
				space += e.Size
				stays[e.Info.String()] = true
			}
		}
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
		if _, err := k.removeOne(it, true); err != nil {
			k.n.log.Warn("a mirror cannot drop an entry", "share", it.rec.Name, "error", err)
			continue
		}
		// The folders of the entry, as far as nothing else is in them.
		for at := filepath.Dir(it.rec.Path); within(at, dir) && at != dir && os.Remove(at) == nil; at = filepath.Dir(at) {
		}
	}
}
