package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// mirrorPause lets a burst of changes come together before they are acted on.
const mirrorPause = 500 * time.Millisecond

func validGlob(g string) bool { return doublestar.ValidatePattern(g) }

const (
	// mirrorAgain is when a mirror asks again for what nobody who was online had.
	mirrorAgain = 10 * time.Second
	// mirrorLook is how often it looks at all that it has, though nothing has changed, and mirrorRetry when it tries again
	// what has failed.
	mirrorLook  = 10 * time.Minute
	mirrorRetry = time.Hour
)

// mirror fetches what appears in a group that is followed, and drops what is not to be kept any more, until ctx ends.
func (m *member) mirror(ctx context.Context) {
	for {
		changed, _ := m.Changed()
		again := time.After(mirrorLook)
		if f := m.followed(); f == nil {
			m.plan.Store(nil)
		} else if m.Ready() && m.mirrorOnce(ctx, *f) {
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
	plan := m.planMirror(ix, f)
	m.plan.Store(&plan)
	wanted := map[string]bool{}
	for _, info := range plan.order {
		wanted[info] = true
		entries := plan.by[info]
		it, idle := k.mirrored(info)
		if it != nil && it.mirror == m.ID().String() {
			k.settleMirrored(it.item, f.Dir, refsOf(m, entries))
			continue
		}
		if it != nil && !it.takeOver || slices.Contains(m.Settings().Skip, info) { // it may have been removed since
			missing = missing || it != nil && !idle
			continue
		}
		e := entries[0]
		r, err := m.toMirror(ctx, e, f.Dir)
		if err == nil && it != nil {
			err = k.adopt(it.item, r)
		} else if err == nil {
			err = k.beginFetch(r)
		}
		if err != nil {
			m.s.n.log.Warn("a mirror cannot fetch an entry", "group", m.Name(), "entry", e.Ref(), "error", err)
			missing = true
			continue
		}
		m.s.n.log.Info("a mirror fetches an entry", "group", m.Name(), "entry", e.Ref(), "published", entryTime(e))
	}
	if m.holdSealed(ctx, plan.held, f, wanted) {
		missing = true
	}
	// A version goes once a newer one is whole. Most of that one's bytes are in it, too.
	stays := k.superseded(ix, f, wanted)
	for info := range stays {
		wanted[info] = true
	}
	m.forgetOld(ix, k.dropMirrored(m.ID().String(), wanted))
	m.backUp(f.Dir)
	return missing || len(stays) > 0
}

// refsOf are the names of entries as a record has them, with the group.
func refsOf(m *member, entries []*catalog.Entry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = m.Name() + "/" + e.Ref()
	}
	return out
}

// forgetOld remembers which entries that are still in the catalog went for newer ones: when those are taken back, nobody may
// have the old ones any more.
func (m *member) forgetOld(ix *catalog.Index, gone map[string]bool) {
	var old []string
	for _, e := range ix.Entries() {
		if gone[e.Info.String()] {
			old = append(old, oldEntry(e))
		}
	}
	if len(old) == 0 {
		return
	}
	err := m.Change(func(c *group.Settings) { c.Old = append(slices.Clone(c.Old), old...) })
	if err != nil {
		m.s.n.log.Warn("the settings of a group", "group", m.Name(), "error", err)
	}
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
	full := false
	err := m.Change(func(c *group.Settings) {
		if !slices.Contains(c.Skip, info) {
			full = len(c.Skip) >= group.MaxSkip
			c.Skip = append(slices.Clone(c.Skip), info)
		}
	})
	if err == nil && full {
		m.s.n.log.Warn("what was removed first from a mirror is remembered no more, and fetched again if the group still has it",
			"group", m.Name(), "remembered", group.MaxSkip)
	}
	return err
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
		Entry: m.signedEntry(e, full), Mirror: m.ID().String(), Root: dir,
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
func (m *member) holdSealed(ctx context.Context, held []catalog.Held, f group.Follow, wanted map[string]bool) (missing bool) {
	k := m.s.n.keeper
	for _, h := range held {
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
		folder := h.Torrent.String()[:heldDigits]
		if it, _ := k.mirrored(info); it != nil {
			if it.mirror == m.ID().String() {
				k.settleMirrored(it.item, f.Dir, []string{m.Name() + "/" + folder})
			}
			continue
		}
		r := FetchRequest{Ref: t.Magnet(nil, nil, nil), Dir: filepath.Join(f.Dir, folder), Seed: true, Mirror: m.ID().String(), Root: f.Dir, Entry: &SignedEntry{
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

// mirroredItem is what the home has of the content of an entry.
type mirroredItem struct {
	*item
	mirror   string // the group whose mirror has it; empty: none's
	takeOver bool   // it was fetched here before, and is not published here: the mirror can have a copy of it
}

// mirrored finds what the home has of an info; nil: nothing. idle says that nothing is under way with it.
func (k *keeper) mirrored(info string) (it *mirroredItem, idle bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, x := range k.items {
		if x.rec.Info == info {
			idle = x.rec.Fetch == nil || x.stop == nil
			own := x.rec.Kind == "publish" || x.unsaved || x.leaving || x.rec.Part != nil || x.rec.Sealed != ""
			return &mirroredItem{x, x.rec.Mirror, x.rec.Mirror == "" && !own && idle}, idle
		}
	}
	return nil, true
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

// dropMirrored removes what a mirror fetched and is not wanted any more, with its files: it was the mirror's own. It gives the
// infos of what went.
func (k *keeper) dropMirrored(group string, wanted map[string]bool) map[string]bool {
	k.mu.Lock()
	var gone []*item
	for _, it := range k.items {
		if it.rec.Mirror == group && !wanted[it.rec.Info] {
			gone = append(gone, it)
		}
	}
	k.mu.Unlock()
	dropped := map[string]bool{}
	for _, it := range gone {
		if _, err := k.removeOne(it, true); err != nil {
			k.n.log.Warn("a mirror cannot drop an entry", "share", it.rec.Name, "error", err)
			continue
		}
		dropped[it.rec.Info] = true
	}
	return dropped
}

// removeEmpty removes a folder in that of a mirror and those above it, as far as nothing else is in them.
func removeEmpty(at, dir string) {
	if dir == "" {
		return
	}
	for ; within(at, dir) && at != dir && os.Remove(at) == nil; at = filepath.Dir(at) {
	}
}
