package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/store"
)

// Repair fetches again what is missing or wrong of a share's content, piece by piece, and ends when all of it is right. Files
// that are not the content are replaced. A daemon goes on with it when ctx ends.
func (n *Node) Repair(ctx context.Context, r RepairRequest, on func(Event)) error {
	on, end := n.hear(on)
	defer end()
	if n.keeper != nil {
		return n.keeper.repair(ctx, r, on)
	}
	return n.repairAlone(ctx, r, on)
}

func (k *keeper) repair(ctx context.Context, r RepairRequest, on func(Event)) error {
	k.mu.Lock()
	items, err := k.find([]string{r.Ref}, false)
	k.mu.Unlock()
	if err != nil {
		return err
	}
	it := items[0]
	if err := k.refetch(it, r); err != nil {
		return err
	}
	fetched := false
	err = k.attend(ctx, it, nil, on, func(e Event) bool {
		fetched = fetched || e.Fetched != nil
		return fetched
	})
	if fetched && ctx.Err() != nil {
		return nil
	}
	return err
}

// refetch has an item's content fetched again where it lies, as far as it is not there or not right.
func (k *keeper) refetch(it *item, r RepairRequest) error {
	k.mu.Lock()
	rec, unsaved, damaged, leaving := it.rec, it.unsaved, it.state == StateDamaged, it.leaving
	k.mu.Unlock()
	switch {
	case leaving:
		return errRemoved(it)
	case damaged:
		return fault.Hint(fault.New(fault.Failed, "what the home has of %q cannot be read", it.id), "p2pshare remove %s forgets it", it.id)
	case unsaved:
		return fault.Hint(fault.New(fault.InUse, "%q is not published yet", rec.Name), "p2pshare status shows how far it is")
	}
	m, err := k.torrentOf(it)
	if err != nil && !rec.unfinished() {
		return err
	}
	req, err := rec.toRepair(it.id, m)
	if err != nil {
		return err
	}
	req.Peers, req.Timeout = append(req.Peers, r.Peers...), r.Timeout
	k.n.membersFor(&req)
	k.halt(it)
	return k.tryChange(it, func(rec *record) { rec.job(req) })
}

// job has a record fetch what is asked, whatever it did before.
func (r *record) job(req FetchRequest) {
	r.Fetch, r.Rests, r.Failed, r.Finish, r.Why, r.Hint = &req, false, false, false, "", ""
}

// unfinished says whether the content has never been whole where the record says that it lies.
func (r *record) unfinished() bool { return r.Fetch != nil && r.Kind == "fetch" && r.Done.IsZero() }

// toRepair is the fetch that brings the content of a record back to what its torrent says, where it lies.
func (r *record) toRepair(id string, m *metafile.Torrent) (FetchRequest, error) {
	dir := filepath.Dir(r.Path)
	opened := r.Sealed != "" && r.Kind == "fetch"
	switch {
	case r.unfinished():
		return FetchRequest{}, fault.Hint(fault.New(fault.NotFound, "%q is not fetched yet", r.Name), "every piece of it is verified as it comes; p2pshare start %s goes on with it", id)
	case r.Part != nil && len(r.Part.Only) == 0:
		return FetchRequest{}, fault.Hint(fault.New(fault.Usage, "%q was fetched in part, as its link said", r.Name), "p2pshare fetch of the same link brings what is missing of it")
	case opened:
		dir = filepath.Dir(r.Sealed)
	case filepath.Base(r.Path) != m.Name && !slices.Contains(names.Of(m.Name).Made, filepath.Base(r.Path)):
		return FetchRequest{}, fault.Hint(fault.New(fault.Usage, "%q was published under the name %q, and cannot be fetched into its place", r.Path, m.Name),
			"p2pshare fetch into another folder brings the content")
	}
	seed := !r.Finish
	var only []string
	if r.Part != nil {
		only = r.Part.Only
	}
	return FetchRequest{
		Only: only,
		Ref:  m.Magnet(announceList(m), m.Meta.UrlList, nil), Dir: dir, Repair: true, Seed: seed, NoSeed: !seed, Entry: r.Signed, Mirror: r.Mirror, Root: r.Root,
		Peers: slices.Clone(r.Peers), Announce: r.Announce, Limits: r.Limits, Policy: r.Policy,
	}, nil
}

// membersFor adds the members of the public group that content is of, whom a torrent does not name.
func (n *Node) membersFor(r *FetchRequest) {
	s := n.groups.Load()
	if s == nil || r.Entry == nil || r.Entry.Group != "" {
		return
	}
	name, _, _ := strings.Cut(r.Entry.Ref, "/")
	if m, err := s.get(name); err == nil {
		m.neighbours(r)
	}
}

// repairAlone is Repair in a home that no daemon has: the next one finds the content whole.
func (n *Node) repairAlone(ctx context.Context, r RepairRequest, on func(Event)) error {
	h, err := readHome(n.home, store.Read[record])
	if err != nil {
		return err
	}
	list := h.named()
	i, err := pickOne(list, r.Ref)
	if err != nil {
		return err
	}
	id, rec := list[i].id, list[i].rec
	m, err := torrentIn(h.store, id, rec)
	if err != nil && !rec.unfinished() {
		return err
	}
	req, err := rec.toRepair(id, m)
	if err != nil {
		return err
	}
	req.Seed, req.Peers, req.Timeout = false, append(req.Peers, r.Peers...), r.Timeout
	ref, err := catalog.ParseRef(req.Ref)
	if err != nil {
		return err
	}
	n.guard.Allow(rec.Allow...)
	f := &fetch{n: n, r: req, ref: ref, on: on, begun: time.Now(), meta: m, in: rec.Group}
	defer f.close()
	defer f.dropSealed()
	at, err := f.inTime(ctx)
	if err != nil {
		return err
	}
	_, err = n.edit(func(k *keeper) ([]Share, error) {
		it := k.items[id]
		if it == nil {
			return nil, nil // it was removed meanwhile
		}
		if rec.Sealed == "" {
			if err := k.putStamps(it, *at); err != nil {
				return nil, err
			}
		}
		return nil, k.tryChange(it, func(r *record) { r.Failed, r.Why, r.Hint = false, "", "" })
	})
	return err
}

// mend has the share of a mirror fetched again that is missing or wrong: its files are the mirror's own, and whoever looks for
// a mirror counts on them. It says whether it did. why is what was found. A drive that is away takes its files along, and is waited for.
func (k *keeper) mend(it *item, m *metafile.Torrent, why error) bool {
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	if rec.Mirror == "" {
		return false
	}
	_, away := errors.AsType[*errAway](why)
	switch {
	case away && !someOf(m, rec.Path) && !k.sameDrive(it):
		return false
	case !away && fault.KindOf(why) != fault.Unverified:
		return false // the disk's own trouble
	}
	req, err := rec.toRepair(it.id, m)
	if err != nil {
		return false
	}
	k.n.membersFor(&req)
	if err := k.tryChange(it, func(rec *record) { rec.job(req) }); err != nil {
		return false
	}
	it.begun = time.Now()
	k.n.log.Warn("a mirror fetches again what is missing or wrong", "share", rec.Name, "path", rec.Path, "reason", why)
	return true
}

// someOf says whether any file of the content is there.
func someOf(m *metafile.Torrent, path string) bool {
	at, err := content.At(m, path)
	if err != nil {
		return false
	}
	if len(at.Paths) == 0 { // its folder is all there is of a torrent of pads alone
		_, err := os.Lstat(at.Root)
		return err == nil
	}
	for i := range at.Paths {
		if _, err := os.Lstat(at.File(i)); err == nil {
			return true
		}
	}
	return false
}

// sameDrive says whether the drive is there that the content of an item was on: then somebody has removed it, and the drive is
// not away.
func (k *keeper) sameDrive(it *item) bool {
	at, err := stampsIn(k.store, it.id)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(at.Stamps, func(s content.Stamp) bool { return s != content.Stamp{} })
	if i < 0 {
		return false
	}
	dev, err := deviceOf(existing(at.Root))
	return err == nil && dev == at.Stamps[i].Dev
}

// deviceOf names the file system that a folder is on.
func deviceOf(dir string) (uint64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	fi, err := fs.Stat(root.FS(), ".")
	if err != nil {
		return 0, err
	}
	return content.StampAt(root, ".", fi).Dev, nil
}
