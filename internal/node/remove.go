package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/metafile"
)

func (k *keeper) remove(r RemoveRequest) ([]Share, error) {
	k.mu.Lock()
	items, err := k.find(r.Refs, r.All)
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	out := []Share{}
	for _, it := range items {
		last := k.views([]*item{it})[0]
		if it.rec.Mirror != "" { // before it is gone: the mirror may look at any moment
			if err := k.n.skip(it.rec.Mirror, it.rec.Info); err != nil {
				return out, err
			}
		}
		left, err := k.removeOne(it, r.Data)
		if err != nil {
			return out, err
		}
		last.Stays, last.Absent = left.stays, left.absent
		out = append(out, last)
	}
	return out, nil
}

// leftover is what became of the files of a share that was removed with them.
type leftover struct {
	stays  []string // those that are not its content any more
	absent bool     // nothing of it was there
}

// removeOne forgets a share, and with data its files too.
func (k *keeper) removeOne(it *item, data bool) (left leftover, err error) {
	k.mu.Lock()
	damaged := it.state == StateDamaged
	// An encrypted file is the home's own, and of no use to anybody once it is not shared. What it was made of, or
	// opened to, is the user's, and stays.
	data = data || it.rec.Sealed != ""
	k.mu.Unlock()
	if it.rec.Was != "" {
		k.halt(it)
		if err := k.carry(it); err != nil {
			return left, err
		}
	}
	var files func() error
	if data && !damaged {
		if files, left, err = k.contentOf(it); err != nil {
			return left, err
		}
	}
	if err := k.forget(it, files); err != nil || !data || it.rec.Mirror == "" {
		return left, err
	}
	k.unlink(it)
	removeEmpty(filepath.Dir(it.rec.Path), it.rec.Root)
	return left, nil
}

// forget drops a share, and then its files.
func (k *keeper) forget(it *item, files func() error) error {
	k.mu.Lock()
	if it.leaving {
		k.mu.Unlock()
		return errRemoved(it)
	}
	it.leaving = true
	k.mu.Unlock()
	k.halt(it)
	// What is staged goes before the record: a crash in between leaves a fetch that begins anew, and after it nobody
	// would know of the files.
	if job := it.rec.Fetch; job != nil {
		k.discard(it, job)
	}
	k.mu.Lock()
	// The record goes before the content: a crash in between leaves files, never a share without them.
	if err := k.store.Remove(it.id); err != nil {
		it.leaving = false
		k.mu.Unlock()
		return err
	}
	delete(k.items, it.id)
	from := it.from
	k.gone.Peers += from.Peers
	k.gone.WebSeeds += from.WebSeeds
	k.gone.Reused += from.Reused
	k.mu.Unlock()
	k.n.log.Info("removed", "share", it.name())
	if files == nil {
		return nil
	}
	return files()
}

// discard removes what a fetch that is given up has in its staging folder.
func (k *keeper) discard(it *item, job *FetchRequest) {
	hash := it.rec.Infohash
	if hash == "" {
		hash = it.rec.InfohashV2
	}
	if hash == "" {
		return
	}
	base := filepath.Join(job.Dir, ".p2pshare")
	if e := job.Entry; e != nil && e.Sealed != "" && !e.Held {
		base = filepath.Join(k.n.sealedDir(e.Group), ".p2pshare")
	}
	if err := os.RemoveAll(filepath.Join(base, hash)); err != nil {
		k.n.log.Warn("what was fetched so far could not be removed", "share", it.rec.Name, "error", err)
	}
	_ = os.Remove(base) // if nothing else is in it
}

// contentOf gives a function that removes the files of the torrent, and the folders that are empty then. Files that
// the torrent does not name stay, and so do those that have nothing of its content any more: they are told.
func (k *keeper) contentOf(it *item) (remove func() error, left leftover, err error) {
	m, err := k.torrentOf(it)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, left, nil // a fetch that has nothing yet
	}
	if err != nil {
		return nil, left, err
	}
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	if rec.unfinished() {
		return nil, left, nil // all it has is in staging
	}
	if left.absent = !someOf(m, rec.Path); left.absent {
		return nil, left, nil // somebody has removed them already, or their drive is away
	}
	at, err := k.placeOf(it, m)
	if err != nil {
		return nil, left, err
	}
	p, err := partOf(m, rec.Path, rec.Part, "")
	if err != nil {
		return nil, left, err
	}
	keep := make([]bool, len(at.Paths))
	if rec.Mirror == "" { // a mirror's files are its own
		if keep, err = foreign(k.ctx, m, at, p.want()); err != nil {
			return nil, left, err
		}
	}
	for i, is := range keep {
		if is {
			left.stays = append(left.stays, at.File(i))
		}
		if p != nil && !p.want()[i] {
			keep[i] = true // it was there before, or is of another fetch
		}
	}
	return func() error { return removeContent(at, m.Dir, keep) }, left, nil
}

// placeOf is where the content of an item lies, with stamps where they are known.
func (k *keeper) placeOf(it *item, m *metafile.Torrent) (at located, err error) {
	b, err := k.store.File(it.id, stampsFile)
	if err == nil {
		at, err = decodeStamps(b)
	}
	if err != nil {
		k.mu.Lock()
		path := it.rec.Path
		k.mu.Unlock()
		if at, err = content.At(m, path); err != nil {
			return at, err
		}
	}
	return at, at.Check(m)
}

// foreign says which files of those that are wanted (nil: all) are not what was shared, nor that with some damage: they are there,
// have changed since they were verified, and none of their pieces is right.
func foreign(ctx context.Context, m *metafile.Torrent, at located, want []bool) ([]bool, error) {
	out := make([]bool, len(at.Paths))
	root, err := os.OpenRoot(at.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	doubtful := false
	for i, p := range at.Paths {
		if want != nil && !want[i] {
			continue
		}
		fi, err := root.Lstat(filepath.FromSlash(p))
		if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Size() == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if fi.IsDir() {
			out[i] = true // whatever is in it, the torrent does not name it
			continue
		}
		out[i] = at.Stamps == nil || !content.StampAt(root, p, fi).Same(at.Stamps[i]) && m.Files[i].Symlink == nil
		doubtful = doubtful || out[i]
	}
	if !doubtful {
		return out, nil
	}
	rep, err := content.Verify(ctx, m, located{Root: at.Root, Paths: at.Paths}, content.Options{Want: want})
	if err != nil {
		return nil, err
	}
	for i, f := range rep.Files {
		out[i] = out[i] && f.Problem != "" && f.BadPieces == f.Pieces
	}
	return out, nil
}

// removeContent removes files, but for those that are to be kept.
func removeContent(at located, dir bool, keep []bool) error {
	root, err := os.OpenRoot(at.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	folders := map[string]bool{}
	for i, p := range at.Paths {
		if !keep[i] {
			if err := root.Remove(filepath.FromSlash(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing the content: %w", err)
			}
		}
		for d := filepath.Dir(filepath.FromSlash(p)); d != "."; d = filepath.Dir(d) {
			folders[d] = true
		}
	}
	// The deepest first; one that is not empty stays.
	list := make([]string, 0, len(folders))
	for d := range folders {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	for _, d := range list {
		_ = root.Remove(d)
	}
	if dir {
		_ = os.Remove(at.Root)
	}
	return nil
}
