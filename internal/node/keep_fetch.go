package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// fetch is Fetch in a daemon: it goes on when the caller goes, and after a crash.
func (k *keeper) fetch(ctx context.Context, r FetchRequest, ref catalog.Ref, on func(Event)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Who asks for the seeding attends it; else the caller has all it came for once the content is there.
	attended := r.Seed
	r.Seed = r.Seed || !r.NoSeed && !k.n.opts.NoSeed && !r.sealed()
	it, there, err := k.newFetch(r, ref)
	if err == nil && there != nil && r.Receipt+r.Sums != "" {
		err = &errElsewhere{it} // what is to be said of it is to be looked at
	}
	if elsewhere, ok := errors.AsType[*errElsewhere](err); ok {
		return k.copyTo(ctx, elsewhere.it, r, ref, on)
	}
	if err != nil {
		return err
	}
	if there != nil {
		k.mu.Lock()
		kept := k.keptAs(it)
		k.mu.Unlock()
		on(Event{Kept: &kept})
		on(Event{Fetched: there})
		return nil
	}
	on, end := k.n.hear(on)
	defer end()
	fetched := false
	err = k.attend(ctx, it, nil, on, func(e Event) bool {
		fetched = fetched || e.Fetched != nil
		return fetched && !attended
	})
	if fetched && ctx.Err() != nil {
		return nil
	}
	return err
}

// sealed says whether what is fetched is an encrypted file, which is opened beside it: to seed it costs its size a second
// time, and is done for who asks.
func (r *FetchRequest) sealed() bool { return r.Entry != nil && r.Entry.Sealed != "" && !r.Entry.Held }

// newFetch makes an item of the request and confirms it. One for the same content and folder that is there
// already is taken up; if it is shared from there, nothing is left to do.
func (k *keeper) newFetch(r FetchRequest, ref catalog.Ref) (*item, *Fetched, error) {
	rec := record{
		Kind: "fetch", Name: ref.DisplayName, Fetch: &r, Added: time.Now(),
		Peers: r.Peers, Announce: r.Announce, Allow: hostsOf(r, ref), Limits: r.Limits, Policy: r.Policy,
	}
	if r.Entry != nil {
		rec.Entry, rec.Info, rec.Mirror, rec.Root, rec.Group = r.Entry.Ref, r.Entry.Info, r.Mirror, r.Root, r.Entry.Group
	}
	if ref.V1 != nil {
		rec.Infohash = ref.V1.HexString()
	}
	if ref.V2 != nil {
		rec.InfohashV2 = fmt.Sprintf("%x", ref.V2[:])
	}
	files := map[string][]byte{}
	if ref.Kind == catalog.File {
		m, err := metafile.ReadFile(ref.Path)
		if err != nil {
			return nil, nil, err
		}
		b, err := torrentBytes(m)
		if err != nil {
			return nil, nil, err
		}
		rec.describe(m)
		// The file may be gone when the daemon is started again.
		files[torrentFile] = b
		rec.Fetch.Ref = m.Magnet(announceList(m), m.Meta.UrlList, nil)
		if r.AllowPrivate {
			rec.Allow = append(append(rec.Allow, announceList(m)...), m.Meta.UrlList...)
		}
	}
	if rec.Name == "" {
		rec.Name = nameOfRef(ref)
	}
	if r.hints.chunks != nil {
		files[chunksFile] = r.hints.chunks
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for old := k.sameHashes(rec); old != nil; old = k.sameHashes(rec) {
		// Its files are away, or it is about to end: who fetches it does not wait for that.
		away := old.stop != nil && (old.state == StateWaiting || old.state == StateFailed) && old.rec.Fetch == nil && !old.leaving
		if !away && !old.otherPart(rec, ref.Select) {
			return k.takeUp(old, rec)
		}
		if p := old.rec.Part; p != nil && !away && len(p.Only) > 0 && len(r.Only) > 0 {
			r.Only = slices.Concat(p.Only, r.Only) // what is shared stays so
		}
		k.mu.Unlock()
		k.halt(old)
		k.mu.Lock() // anything may be here now
	}
	it := k.newItem(newID(), rec)
	if err := k.store.Add(it.id, rec, files); err != nil {
		return nil, nil, err
	}
	k.items[it.id] = it
	return it, nil, nil
}

func nameOfRef(ref catalog.Ref) string {
	switch {
	case ref.Path != "":
		return filepath.Base(ref.Path)
	case ref.URL != "":
		return webaddr.RedactURL(ref.URL)
	case ref.V1 != nil:
		return ref.V1.HexString()
	}
	return fmt.Sprintf("%x", ref.V2[:])
}

// sameHashes is the item of the same torrent as rec; nil if there is none. k.mu is held.
func (k *keeper) sameHashes(rec record) *item {
	for _, it := range k.items {
		if rec.Infohash != "" && it.rec.Infohash == rec.Infohash || rec.InfohashV2 != "" && it.rec.InfohashV2 == rec.InfohashV2 {
			return it
		}
	}
	return nil
}

// otherPart says that an item shares a part, into which a fetch of other files of the same torrent goes. The keeper's mu is held.
func (it *item) otherPart(rec record, selected []int) bool {
	p := it.rec.Part
	return p != nil && it.stop != nil && it.rec.Fetch == nil && !it.leaving && filepath.Dir(it.rec.Path) == rec.Fetch.Dir &&
		!(slices.Equal(p.Only, rec.Fetch.Only) && slices.Equal(p.Select, selected))
}

// takeUp lets a fetch go on in an item that is there already. k.mu is held.
func (k *keeper) takeUp(old *item, rec record) (*item, *Fetched, error) {
	job, running := old.rec.Fetch, old.stop != nil
	switch {
	case old.leaving:
		return nil, nil, errGoing(old)
	case old.unsaved || job == nil && running && old.torrent == nil:
		return nil, nil, fault.Hint(fault.New(fault.InUse, "%q is being looked at", old.rec.Name), "p2pshare status %s shows it", old.id)
	case job != nil && running && job.Dir == rec.Fetch.Dir && slices.Equal(job.Only, rec.Fetch.Only):
		return old, nil, nil // both callers hear of it
	case job != nil && running:
		return nil, nil, fault.Hint(fault.New(fault.InUse, "%q is being fetched into %q", old.rec.Name, job.Dir), "p2pshare remove %s gives up that fetch", old.id)
	case running && filepath.Dir(old.rec.Path) == rec.Fetch.Dir:
		r := old.rec
		files := r.Files
		if r.Part != nil {
			files = r.Part.Files
		}
		return old, &Fetched{
			Path: r.Path, Name: r.Name, Size: r.wanted(), Files: files, Infohash: r.Infohash, InfohashV2: r.InfohashV2,
			BytesFrom: BytesFrom{Reused: r.wanted()}, Verified: true, Entry: r.Entry, Seeding: true, Policy: old.policy(),
		}, nil
	case running && old.rec.Part != nil:
		return nil, nil, fault.Hint(fault.New(fault.InUse, "a part of %q is here already and is shared from %q", old.rec.Name, old.rec.Path), "fetch into that folder what is missing, or with --alone")
	case running:
		return nil, nil, &errElsewhere{old}
	}
	next := old.rec
	if next.Kind = "fetch"; job == nil && filepath.Dir(next.Path) != rec.Fetch.Dir {
		// What lies in the other folder is the user's from now on.
		next.Path, next.Done = filepath.Join(rec.Fetch.Dir, filepath.Base(next.Path)), time.Time{}
	}
	next.job(*rec.Fetch)
	next.Peers, next.Announce, next.Allow, next.Limits, next.Policy = rec.Peers, rec.Announce, rec.Allow, rec.Limits, rec.Policy
	if err := k.store.Put(old.id, next); err != nil {
		return nil, nil, err
	}
	old.rec = next
	return old, nil, nil
}

// errElsewhere is content that is shared from another place than it is to be fetched into. A torrent is shared from one.
type errElsewhere struct{ it *item }

func (e *errElsewhere) Error() string {
	return fmt.Sprintf("%q is here already and is shared from %q", e.it.rec.Name, e.it.rec.Path)
}

// copyTo gives what is asked for from what an item shares: a copy in the folder that was named, by reference where the file system can, held
// against the torrent as anything that is fetched. The item goes on sharing what it has.
func (k *keeper) copyTo(ctx context.Context, it *item, r FetchRequest, ref catalog.Ref, on func(Event)) error {
	m, err := k.torrentOf(it)
	if err != nil {
		return err
	}
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	on, end := k.n.hear(on)
	defer end()
	r.Seed, r.Reuse = false, append([]string{rec.Path}, r.Reuse...)
	f := &fetch{n: k.n, r: r, ref: ref, on: on, begun: time.Now(), meta: m, in: rec.Group}
	f.keep.only = func() error {
		return fault.Hint(fault.New(fault.InUse, "%q is shared from %q, where some of it is not as it was", rec.Name, rec.Path), "p2pshare repair %s fetches that again", it.id)
	}
	defer f.close()
	if filepath.Dir(rec.Path) != r.Dir {
		tell(on, "it is here already, and is copied from %s, from where it goes on being shared", rec.Path)
	}
	_, err = f.inTime(ctx)
	return err
}

// bring does the fetch of a record, and seeds after it if that was asked.
func (k *keeper) bring(ctx context.Context, it *item, r FetchRequest) error {
	ref, err := catalog.ParseRef(r.Ref)
	if err != nil {
		return err
	}
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	k.n.guard.Allow(rec.Allow...)
	var fetched Event // told once the record says so too
	f := &fetch{n: k.n, r: r, ref: ref, begun: it.begun, in: rec.Group}
	f.on = func(e Event) {
		if e.Fetched != nil {
			fetched = e
			return
		}
		it.emit(e)
	}
	f.r.Limits = rec.Limits
	if f.r.hints.chunks == nil {
		f.r.hints.chunks, _ = k.store.File(it.id, chunksFile) // most have none
	}
	if m, err := k.torrentOf(it); err == nil {
		f.meta = m // of an earlier run, or of the .torrent that was named
	}
	known := f.meta != nil && rec.Size > 0 // a crash may have left the torrent alone
	defer f.close()
	ctxRun, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f.keep = keeping{
		learned: func(m *metafile.Torrent) error {
			if known {
				return nil
			}
			return k.learned(it, m)
		},
		led: func(magnet string) error {
			return k.tryChange(it, func(rec *record) {
				job := *rec.Fetch
				job.Ref, rec.Fetch = magnet, &job
			})
		},
		joined: func(t *engine.Torrent) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.settle(it) // a look-up that has ended
			it.torrent = t
		},
		turn:  func(ctx context.Context) (func(), error) { return k.turn(ctx, it) },
		edges: k.store.Path(it.id, edgesFile),
		room:  func(dir string, missing int64) error { return k.room(ctxRun, stop, f.stage, dir, missing) },
	}
	at, err := f.inTime(ctxRun)
	if cause := context.Cause(ctxRun); err != nil && ctx.Err() == nil && cause != nil {
		err = cause // the disk is too full
	}
	if err != nil {
		if fault.KindOf(err) == fault.Unverified && !rec.unfinished() && !r.Repair {
			err = fault.Hint(err, "p2pshare repair %s puts what was fetched in its place; or move it away, or fetch into another folder", it.id)
		}
		return k.full(f, r.Dir, err)
	}
	return k.brought(ctx, it, f, at, fetched)
}

// learned keeps what the info says.
func (k *keeper) learned(it *item, m *metafile.Torrent) error {
	b, err := torrentBytes(m)
	if err != nil {
		return err
	}
	k.mu.Lock()
	other := k.holding(m, it)
	k.mu.Unlock()
	if other != nil {
		return fault.Hint(fault.New(fault.InUse, "%q is here already", m.Name), "p2pshare status %s shows it", other.id)
	}
	if err := k.store.PutFile(it.id, torrentFile, b); err != nil {
		return err
	}
	return k.tryChange(it, func(r *record) {
		magnet := r.Magnet
		r.describe(m)
		r.Path = content.In(m, r.Fetch.Dir)
		if magnet != "" {
			r.Magnet = magnet
		}
	})
}

// turn waits until one more fetch may transfer.
func (k *keeper) turn(ctx context.Context, it *item) (func(), error) {
	if k.fetches == nil {
		return func() {}, nil
	}
	if !k.fetches.TryAcquire(1) {
		k.wait(it, StateQueued, fmt.Errorf("%s at a time, and others were first", count(k.n.opts.Fetches, "fetch")))
		if err := k.fetches.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		k.show(it, StateFetching, nil)
	}
	return func() { k.fetches.Release(1) }, nil
}

// brought notes that a fetch is done, and goes on as the request says.
func (k *keeper) brought(ctx context.Context, it *item, f *fetch, at *located, fetched Event) error {
	if f.layered {
		b, err := torrentBytes(f.meta)
		if err == nil {
			err = k.store.PutFile(it.id, torrentFile, b)
		}
		if err != nil {
			return err
		}
	}
	seed := f.r.Seed
	var part *chosen
	if f.plan.Part() {
		part = &chosen{Only: f.r.Only, Select: f.ref.Select, Size: f.plan.WantedBytes(), Files: f.plan.Files()}
	}
	if seed {
		if err := k.putStamps(it, *at); err != nil {
			return err
		}
	}
	k.mu.Lock()
	it.from.Reused += f.reused
	k.mu.Unlock()
	k.change(it, func(r *record) {
		r.Fetch, r.Finish, r.Part = nil, !seed, part
		if r.Kind == "fetch" && (r.Done.IsZero() || !f.r.Repair) {
			r.Done = time.Now()
		}
		if f.r.Entry != nil {
			r.Signed = f.r.Entry
		}
		r.Path = f.plan.Target()
		if f.sealed != nil {
			r.Sealed, r.Name = f.sealed.target, f.r.Entry.Content
		}
	})
	if err := k.leaveOld(it); err != nil {
		k.n.log.Warn("what a mirror has copied to another folder stays in the old one", "share", f.name(), "error", err)
	}
	k.n.brought(f.r.Mirror)
	if !seed {
		f.dropSealed()
	}
	k.n.log.Info("fetched", "share", f.name(), "path", f.plan.Target())
	if seed {
		k.mu.Lock()
		fetched.Fetched.Seeding, fetched.Fetched.Policy = true, it.policy()
		k.mu.Unlock()
	}
	if !seed {
		k.show(it, StateDone, nil)
		it.emit(fetched)
		return nil
	}
	k.show(it, StateStarting, nil)
	it.emit(fetched)
	if err := f.serve(ctx, at); err != nil {
		return err
	}
	return k.seed(ctx, it, f.share)
}
