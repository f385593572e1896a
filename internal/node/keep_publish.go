package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/seeder"
)

// publish is Publish in a daemon: the share stays when the caller goes.
func (k *keeper) publish(ctx context.Context, r PublishRequest, on func(Event)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := r.Name
	if name == "" {
		name = filepath.Base(r.Path)
	}
	it := k.newItem(newID(), record{
		Kind: "publish", Name: name, Path: r.Path, Added: time.Now(),
		Peers: r.Peers, Announce: r.Announce, Allow: allowedBy(r), Limits: r.Limits, Policy: r.Policy,
	})
	it.unsaved = true
	k.mu.Lock()
	k.items[it.id] = it
	k.mu.Unlock()
	published := false
	enough := func(e Event) bool {
		published = published || e.Published != nil
		return published && r.UntilCopies > 0 && e.Seeding != nil && e.Seeding.Copies >= r.UntilCopies
	}
	err := k.attend(ctx, it, func(ctx context.Context) error { return k.make(ctx, it, r) }, on, enough)
	if published && ctx.Err() != nil {
		return nil
	}
	return err
}

func allowedBy(r PublishRequest) []string {
	urls := append([]string{}, r.WebSeeds...)
	for _, tier := range r.Trackers {
		urls = append(urls, tier...)
	}
	return append(urls, r.Announce...)
}

// make builds the torrent, confirms the share and serves it.
func (k *keeper) make(ctx context.Context, it *item, r PublishRequest) (err error) {
	defer func() {
		if err != nil && it.unsaved {
			k.forgetUnsaved(it, ctx)
		}
	}()
	k.mu.Lock()
	before := k.keptAs(it)
	k.mu.Unlock()
	built, pub, err := k.n.makeTorrent(ctx, r, it.emit)
	if err != nil {
		return err
	}
	k.mu.Lock()
	if it.rec.Entry = pub.Entry; r.In != nil {
		it.rec.Info, it.rec.Group = infoHash(built.Torrent).String(), pub.group
	}
	if pub.sealed != nil {
		it.rec.Sealed = pub.sealed.path
	}
	k.mu.Unlock()
	if err := k.confirm(it, built.Torrent, built.Bytes, built.Located); err != nil {
		if pub.sealed != nil {
			err = errors.Join(err, os.Remove(pub.sealed.box))
		}
		return err
	}
	k.endReplaced(it)
	k.sayOvertaken(ctx, it)
	k.mu.Lock()
	kept := k.keptAs(it)
	k.mu.Unlock()
	if kept != before {
		// The share that was there has given its ID or its name, and what the caller was told first names nothing or more than it.
		kept.Was = before.ID
		it.emit(Event{Kept: &kept})
	}
	return k.serveNew(ctx, it, built, pub)
}

// endReplaced forgets what was published from the same place under the same name of a group before: the group has the new one, and
// so have the files.
func (k *keeper) endReplaced(it *item) {
	k.mu.Lock()
	var old []*item
	for _, x := range k.items {
		if x != it && it.rec.Entry != "" && x.rec.Entry == it.rec.Entry && x.rec.Path == it.rec.Path && x.rec.Kind == "publish" && !x.unsaved {
			old = append(old, x)
		}
	}
	k.mu.Unlock()
	for _, x := range old {
		if _, err := k.removeOne(x, false); err != nil {
			k.n.log.Warn("a share that was published anew stays", "share", x.id, "error", err)
		}
	}
}

// sayOvertaken says that what was shared from the same place before is not there any more: whoever publishes version after version
// from one folder leaves the earlier ones without a holder. Of several it is the last, for the others were told of then.
func (k *keeper) sayOvertaken(ctx context.Context, it *item) {
	k.mu.Lock()
	place, list := it.rec.Path, k.sorted()
	list = slices.DeleteFunc(list, func(x *item) bool {
		r := &x.rec
		return x == it || x.unsaved || x.leaving || r.Fetch != nil || r.Finish || r.Sealed != "" || !within(r.Path, place) && !within(place, r.Path)
	})
	before := make([]named, len(list))
	for i, x := range list {
		rec := x.rec
		before[i] = named{x.id, &rec}
	}
	k.mu.Unlock()
	for _, x := range slices.Backward(before) {
		at, err := stampsIn(k.store, x.id)
		if err != nil {
			continue // it is hashed when it starts, and that tells
		}
		if _, err := at.Restamped(ctx); err == nil || ctx.Err() != nil {
			continue
		}
		was, name, ref := "shared", fmt.Sprintf("%q (%s)", x.rec.Name, x.id), cmp.Or(x.rec.Infohash, x.rec.InfohashV2)
		if x.rec.Kind == "publish" {
			was = "published"
		}
		if x.rec.Entry != "" {
			name, ref = x.rec.Entry, x.rec.Entry
		}
		warn(it.emit, "%q was %s as %s, whose files are changed now: %s can no longer be seeded from here", x.rec.Path, was, name, name)
		tell(it.emit, "publish each version from a folder of its own; as long as somebody else has it, p2pshare fetch %s -o DIR brings it back", ref)
		return
	}
}

// serveNew serves what was built a moment ago: nothing of it need be read again.
func (k *keeper) serveNew(ctx context.Context, it *item, built *seeder.Built, pub *Published) error {
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	k.starting(it)
	k.n.guard.Allow(rec.Allow...)
	s, err := k.n.share(ctx, built.Torrent, built.Located, nil, shareOptions{peers: rec.Peers, announce: rec.Announce, limits: rec.Limits, group: rec.Group, name: rec.Name}, it.emit)
	if err != nil {
		return err
	}
	defer s.close()
	it.emit(Event{Published: pub})
	return k.seed(ctx, it, s)
}

// confirm makes a share of m last: from here on it outlives a crash. One of the same torrent that is there
// already becomes this one, with what it counted and the ID it had.
func (k *keeper) confirm(it *item, m *metafile.Torrent, torrent []byte, at located) error {
	stamps, err := encodeStamps(at)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.holding(m, it)
	for ; old != nil; old = k.holding(m, it) {
		if old.rec.Fetch != nil && !old.rec.Failed && !old.rec.Rests {
			return fault.Hint(fault.New(fault.InUse, "%q is being fetched into %q", m.Name, old.rec.Fetch.Dir),
				"p2pshare remove %s gives up the fetch", old.id)
		}
		if old.stop == nil {
			break
		}
		k.mu.Unlock()
		k.halt(old)
		k.mu.Lock() // anything may be here now
	}
	switch {
	case it.leaving:
		return errRemoved(it)
	case old != nil && old.leaving:
		return errGoing(old)
	}
	rec := it.rec
	rec.describe(m)
	rec.Path = contentPath(m, at)
	if rec.Sealed != "" {
		rec.Name = filepath.Base(rec.Sealed) // what the user calls it
	}
	if old == nil {
		if err := k.store.Add(it.id, rec, map[string][]byte{torrentFile: torrent, stampsFile: stamps}); err != nil {
			return err
		}
		it.rec, it.unsaved = rec, false
		return nil
	}
	rec.Added = old.rec.Added
	if err := k.store.PutFile(old.id, torrentFile, torrent); err != nil {
		return err
	}
	if err := k.store.PutFile(old.id, stampsFile, stamps); err != nil {
		return err
	}
	if err := k.store.Put(old.id, rec); err != nil {
		return err
	}
	delete(k.items, it.id)
	it.id, it.before, it.rec, it.unsaved = old.id, old.before, rec, false
	k.items[it.id] = it
	return nil
}

// forgetUnsaved drops a publish that did not come to a share. With nobody listening it stays to be seen until
// the daemon ends.
func (k *keeper) forgetUnsaved(it *item, ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil || len(it.listeners) > 0 {
		delete(k.items, it.id)
	}
}

// seedAll is Seed in a daemon.
func (k *keeper) seedAll(ctx context.Context, r SeedRequest, on func(Event)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	files, err := findTorrents(r.Torrents)
	if err != nil {
		return err
	}
	on, end := k.n.hear(on)
	defer end()
	var (
		errs  = make(chan error, len(files))
		tried int
		last  error
	)
	for _, f := range files {
		it, first, err := k.newSeed(f, r)
		if err != nil {
			if len(files) == 1 {
				return err
			}
			warn(on, "%s is not seeded: %v", f, err)
			last = err
			continue
		}
		tried++
		go func() { errs <- panics.Catch(func() error { return k.attend(ctx, it, first, on, nil) }) }()
	}
	for range tried {
		err := <-errs
		if bug := panics.In(err); bug != nil {
			bug.Log(k.n.log, "seeding a torrent")
		}
		if err != nil && ctx.Err() == nil {
			warn(on, "not seeded: %v", err)
			last = err
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case tried == 0:
		return fault.Hint(fmt.Errorf("nothing to seed: %w", last), "--data DIR names the folder that holds the content")
	}
	return last
}

// newSeed makes an item of a .torrent whose content is on disk. It is confirmed at once, and hashed like a share whose
// files have changed.
func (k *keeper) newSeed(file string, r SeedRequest) (*item, func(context.Context) error, error) {
	m, err := metafile.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	dir := r.Data
	if dir == "" {
		dir = filepath.Dir(file)
	}
	path := content.In(m, dir)
	if _, err := content.At(m, path); err != nil {
		return nil, nil, fault.Hint(err, "--data DIR names the folder that holds %q", m.Name)
	}
	b, err := torrentBytes(m)
	if err != nil {
		return nil, nil, err
	}
	rec := record{
		Kind: "seed", Path: path, Added: time.Now(), Peers: r.Peers, Announce: r.Announce, Allow: r.Announce,
		Limits: r.Limits, Policy: r.Policy,
	}
	rec.describe(m)
	k.mu.Lock()
	defer k.mu.Unlock()
	if old := k.holding(m, nil); old != nil && old.leaving {
		return nil, nil, errGoing(old)
	} else if old != nil {
		if old.rec.Fetch != nil || old.rec.Path != path {
			return nil, nil, fault.Hint(fault.New(fault.InUse, "%q is here already, from %q", m.Name, old.rec.Path),
				"p2pshare remove %s forgets that one", old.id)
		}
		if old.rec.Part != nil { // all of it is there now, it is said
			if err := k.store.PutFile(old.id, stampsFile, nil); err != nil {
				return nil, nil, err
			}
		}
		old.rec.Part, old.rec.Rests, old.rec.Failed, old.rec.Finish = nil, false, false, false
		return old, nil, k.store.Put(old.id, old.rec)
	}
	it := k.newItem(newID(), rec)
	if err := k.store.Add(it.id, rec, map[string][]byte{torrentFile: b}); err != nil {
		return nil, nil, err
	}
	k.items[it.id] = it
	return it, nil, nil
}

// hostsOf are the URLs of a reference that the user vouched for.
func hostsOf(r FetchRequest, ref catalog.Ref) []string {
	urls := append(append([]string{}, r.WebSeeds...), r.Announce...)
	if r.AllowPrivate {
		urls = slices.Concat(urls, ref.Trackers, ref.WebSeeds, ref.Sources)
	}
	return urls
}
