package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/state"
)

// Change starts or stops shares. In a home without a daemon it settles what the next one will do.
func (n *Node) Change(_ context.Context, r ChangeRequest) ([]Share, error) {
	if err := checkRefs(r.Refs, r.All); err != nil {
		return nil, err
	}
	return n.edit(func(k *keeper) ([]Share, error) { return k.changeRun(r) })
}

// Remove forgets shares, and with r.Data removes their content too.
func (n *Node) Remove(_ context.Context, r RemoveRequest) ([]Share, error) {
	if err := checkRefs(r.Refs, r.All); err != nil {
		return nil, err
	}
	return n.edit(func(k *keeper) ([]Share, error) { return k.remove(r) })
}

// Limit changes rates, windows and policies.
func (n *Node) Limit(_ context.Context, r LimitRequest) (*Limited, error) {
	if len(r.Refs) == 0 && r.Policy != nil {
		return nil, fault.Hint(fault.New(fault.Usage, "a policy is a share's"), "name the share; for all shares without one of their own it is the daemon's")
	}
	var out *Limited
	_, err := n.edit(func(k *keeper) ([]Share, error) {
		var err error
		out, err = k.limit(r)
		return nil, err
	})
	return out, err
}

func checkRefs(refs []string, all bool) error {
	switch {
	case all && len(refs) > 0:
		return fault.New(fault.Usage, "both all shares and some are named")
	case !all && len(refs) == 0:
		return fault.Hint(fault.New(fault.Usage, "no share is named"), "p2pshare list shows what there is")
	}
	return nil
}

// edit runs do on the keeper, or, in a home without a daemon, on one that is opened for it and runs nothing.
func (n *Node) edit(do func(k *keeper) ([]Share, error)) ([]Share, error) {
	if n.keeper != nil {
		return do(n.keeper)
	}
	k, err := openKeeper(n)
	if err != nil {
		return nil, err
	}
	k.asleep = true
	out, err := do(k)
	k.mu.Lock()
	list, resting := k.sorted(), (&homeState{}).resting
	for i := range out {
		for _, it := range list {
			if it.id == out[i].ID && it.state != StateDamaged {
				out[i] = resting(named{it.id, &it.rec})
			}
		}
	}
	k.mu.Unlock()
	return out, errors.Join(err, k.close())
}

func (k *keeper) changeRun(r ChangeRequest) ([]Share, error) {
	k.mu.Lock()
	items, err := k.find(r.Refs, r.All)
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if err := k.runOrRest(it, r.Run); err != nil {
			return nil, err
		}
	}
	return k.views(items), nil
}

func (k *keeper) runOrRest(it *item, run bool) error {
	k.mu.Lock()
	damaged, unsaved, rests, finished := it.state == StateDamaged, it.unsaved, it.rec.Rests || it.rec.Failed, it.rec.Finish
	part, opened := it.rec.Part, it.rec.Sealed != "" && it.rec.Kind == "fetch"
	k.mu.Unlock()
	switch {
	case damaged:
		return fault.Hint(fmt.Errorf("what the home has of %q cannot be read", it.id), "p2pshare remove %s forgets it", it.id)
	case unsaved && !run:
		return fault.Hint(fmt.Errorf("%q is not published yet", it.rec.Name), "p2pshare remove %s gives it up", it.id)
	case run && finished && part:
		return fault.Hint(fault.New(fault.Usage, "%q was fetched in part, and a part is not shared", it.rec.Name), "fetch the rest first: p2pshare fetch without --only")
	case run && finished && opened:
		return fault.Hint(fault.New(fault.Usage, "%q was opened, and the encrypted file that others could take is gone", it.rec.Name), "p2pshare fetch %s --seed fetches it again and keeps that", it.rec.Entry)
	case !run && finished, run && unsaved:
		return nil // nothing runs, and nothing is to
	case !run:
		if err := k.tryChange(it, func(r *record) { r.Rests, r.Why, r.Hint, r.Failed = true, "", "", false }); err != nil {
			return err
		}
		k.rest(it, "")
		return nil
	}
	// What a policy stopped would be stopped again at once: who starts it wants it seeded on.
	err := k.tryChange(it, func(r *record) {
		if r.byPolicy() {
			r.Policy = Policy{}
		}
		r.Rests, r.Failed, r.Finish, r.Why, r.Hint = false, false, false, "", ""
	})
	if err != nil || !rests && !finished {
		return err
	}
	k.halt(it)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.asleep {
		k.start(it, nil)
	}
	return nil
}

func (k *keeper) views(items []*item) []Share {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]Share, 0, len(items))
	for _, it := range items {
		out = append(out, it.view(time.Now()))
	}
	return out
}

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
		if err := k.removeOne(it, r.Data); err != nil {
			return out, err
		}
		out = append(out, last)
	}
	return out, nil
}

func (k *keeper) removeOne(it *item, data bool) error {
	k.mu.Lock()
	damaged := it.state == StateDamaged
	// An encrypted file is the home's own, and of no use to anybody once it is not shared. What it was made of, or
	// opened to, is the user's, and stays.
	data = data || it.rec.Sealed != ""
	k.mu.Unlock()
	var files func() error
	if data && !damaged {
		var err error
		if files, err = k.contentOf(it); err != nil {
			return err
		}
	}
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
// the torrent does not name stay.
func (k *keeper) contentOf(it *item) (func() error, error) {
	m, err := k.torrentOf(it)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a fetch that has nothing yet
	}
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	if rec.Fetch != nil {
		return nil, nil // all it has is in staging
	}
	b, err := k.store.File(it.id, stampsFile)
	var at located
	if err == nil {
		at, err = decodeStamps(b)
	}
	if err != nil {
		if at, err = content.At(m, rec.Path); err != nil {
			return nil, err
		}
	}
	if err := at.Check(m); err != nil {
		return nil, err
	}
	return func() error { return removeContent(at, m.Dir) }, nil
}

func removeContent(at located, dir bool) error {
	root, err := os.OpenRoot(at.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	folders := map[string]bool{}
	for _, p := range at.Paths {
		if err := root.Remove(filepath.FromSlash(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the content: %w", err)
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

func (k *keeper) limit(r LimitRequest) (*Limited, error) {
	k.mu.Lock()
	items, err := k.find(r.Refs, false)
	all := k.allLimits()
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	changes := r.Up != nil || r.Down != nil || r.Windows != nil
	if len(items) == 0 && changes {
		next := r.apply(all)
		if err := checkLimits(next); err != nil {
			return nil, err
		}
		if err := state.WriteVersioned(k.n.home.Path("limits.json"), limitsVersion, next); err != nil {
			return nil, err
		}
		k.mu.Lock()
		k.limits, all = &next, next
		k.mu.Unlock()
	}
	for _, it := range items {
		if it.state == StateDamaged {
			return nil, fault.Hint(fmt.Errorf("what the home has of %q cannot be read", it.id), "p2pshare remove %s forgets it", it.id)
		}
		k.mu.Lock()
		next, policy := r.apply(it.rec.Limits), it.rec.Policy
		k.mu.Unlock()
		if r.Policy != nil {
			policy = *r.Policy
		}
		if err := errors.Join(checkLimits(next), checkPolicy(policy)); err != nil {
			return nil, err
		}
		if err := k.tryChange(it, func(rec *record) { rec.Limits, rec.Policy = next, policy }); err != nil {
			return nil, err
		}
	}
	if changes && !k.asleep {
		k.applyLimits(time.Now())
	}
	return &Limited{Limits: all, Shares: k.views(items)}, nil
}

func (r LimitRequest) apply(l Limits) Limits {
	if r.Up != nil {
		l.Up = *r.Up
	}
	if r.Down != nil {
		l.Down = *r.Down
	}
	if r.Windows != nil {
		l.Windows = slices.Clone(*r.Windows)
	}
	return l
}
