package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/store"
)

// serve seeds what an item's record says until ctx ends, its files change, which is a reason to begin anew, or
// the record says that it rests.
func (k *keeper) serve(ctx context.Context, it *item) error {
	m, err := k.torrentOf(it)
	if err != nil {
		return err
	}
	if err := k.carried(ctx, it); err != nil {
		return err
	}
	k.mu.Lock()
	copies := it.rec.Fetch != nil
	k.mu.Unlock()
	if copies {
		return nil // to another file system, as the next step
	}
	k.mu.Lock()
	rec := it.rec
	k.mu.Unlock()
	p, err := partOf(m, rec.Path, rec.Part, k.store.Path(it.id, edgesFile))
	if err != nil {
		return err
	}
	at, err := k.verified(ctx, it, m, p)
	if err != nil {
		p.close()
		if ctx.Err() == nil && k.mend(it, m, err) {
			return nil
		}
		return err
	}
	k.n.guard.Allow(rec.Allow...)
	s, err := k.n.share(ctx, m, at, nil, shareOptions{peers: rec.Peers, announce: rec.Announce, limits: rec.Limits, group: rec.Group, name: rec.Name, part: p}, it.emit)
	if err != nil {
		return err
	}
	defer s.close()
	return k.seed(ctx, it, s)
}

// seed keeps a share up until ctx ends or its files are not what they were; the next step of the item finds out
// what became of them.
func (k *keeper) seed(ctx context.Context, it *item, s *share) error {
	k.mu.Lock()
	it.state, it.reason, it.hint, it.progress = StateSeeding, "", "", nil
	it.torrent, it.since = s.t, time.Now()
	it.stands()
	k.mu.Unlock()
	k.watch(s, it)
	defer k.unwatch(s)
	var up rate
	it.emit(Event{Seeding: s.seeding(&up)})
	k.n.log.Info("seeding", "share", s.name, "path", s.path)
	var changed error
	select {
	case <-ctx.Done():
	case changed = <-s.changed:
		if bug, ok := errors.AsType[*panics.Error](changed); ok {
			return bug
		}
		k.n.log.Warn("files of a share changed", "share", s.name, "reason", changed)
	}
	if changed != nil {
		it.emit(Event{Level: "warn", Message: changed.Error() + "; it is looked at again"})
	}
	return ctx.Err()
}

func (k *keeper) torrentOf(it *item) (*metafile.Torrent, error) {
	k.mu.Lock()
	id, rec := it.id, it.rec
	k.mu.Unlock()
	return torrentIn(k.store, id, &rec)
}

// torrentIn reads the torrent of a record from its store.
func torrentIn(st *store.Store[record], id string, rec *record) (*metafile.Torrent, error) {
	b, err := st.File(id, torrentFile)
	if err != nil {
		return nil, err
	}
	m, err := metafile.Decode(b)
	if err != nil {
		// A magnet gives the info alone, which for a v2 torrent is not all of a .torrent.
		var mi metainfo.MetaInfo
		if bencode.Unmarshal(b, &mi) != nil {
			return nil, fmt.Errorf("the torrent of %q: %w", rec.Name, err)
		}
		if m, err = metafile.FromInfo(mi.InfoBytes); err != nil {
			return nil, fmt.Errorf("the torrent of %q: %w", rec.Name, err)
		}
	}
	if v1, v2 := hashes(m); v1 != rec.Infohash || v2 != rec.InfohashV2 {
		return nil, fmt.Errorf("the torrent of %q is another one than its record says", rec.Name)
	}
	return m, nil
}

// verified gives where the content is, with stamps of verified bytes. It hashes only if the stamps of an earlier
// run do not stand.
func (k *keeper) verified(ctx context.Context, it *item, m *metafile.Torrent, p *part) (located, error) {
	at, err := k.stamped(ctx, it, m)
	if err == nil || ctx.Err() != nil {
		return at, err
	}
	k.mu.Lock()
	path := it.rec.Path
	k.mu.Unlock()
	if err := present(m, path, p.want()); err != nil {
		return located{}, err
	}
	k.n.log.Info("hashing a share again", "share", m.Name, "reason", err)
	k.show(it, StateChecking, errors.New("waits for its turn to be hashed"))
	if err := k.hashing.Acquire(ctx, 1); err != nil {
		return located{}, err
	}
	defer k.hashing.Release(1)
	defer k.starting(it) // a hashing may take hours, and its start has succeeded by then; what follows is one of its own
	at, err = content.At(m, path)
	if err != nil {
		return located{}, err
	}
	rep, err := check(ctx, m, at, p, it.emit)
	if err != nil {
		return located{}, err
	}
	if !rep.OK {
		if err := present(m, path, p.want()); err != nil {
			return located{}, err // it went while it was hashed
		}
		return located{}, it.differs(m, rep)
	}
	at.Stamps = rep.Stamps
	return at, k.putStamps(it, at)
}

// differs says how the content of a share is not what its torrent says, and what helps whoever has it.
func (it *item) differs(m *metafile.Torrent, rep *content.Report) error {
	it.k.mu.Lock()
	id, rec := it.id, it.rec
	it.k.mu.Unlock()
	err := differs(m, rep)
	if rec.Kind == "publish" {
		return fault.Hint(err, "publish it as it is now, which makes a new infohash; or bring the files back and p2pshare start %s, or have p2pshare repair %s fetch them from others", id, id)
	}
	return fault.Hint(err, "p2pshare repair %s fetches again what is wrong; p2pshare verify %s lists it", id, id)
}

// stamped gives the content as the stamps of an earlier run have it, if nothing has changed since.
func (k *keeper) stamped(ctx context.Context, it *item, m *metafile.Torrent) (located, error) {
	b, err := k.store.File(it.id, stampsFile)
	if err != nil {
		return located{}, err
	}
	at, err := decodeStamps(b)
	if err != nil {
		return located{}, err
	}
	if err := at.Check(m); err != nil {
		return located{}, err
	}
	return at.Restamped(ctx)
}

func (k *keeper) putStamps(it *item, at located) error {
	b, err := encodeStamps(at)
	if err != nil {
		return err
	}
	if err := k.store.PutFile(it.id, stampsFile, b); err != nil {
		// It costs a hashing at the next start, no more.
		k.n.log.Warn("the stamps of a share could not be written", "share", it.name(), "error", err)
	}
	return nil
}

// present says whether the content of m is at path, all that is wanted of it (nil: all) as far as names tell. A drive that is away takes
// its files along, and the share is there again with it.
func present(m *metafile.Torrent, path string, want []bool) error {
	away := func(err error) error {
		return &errAway{
			fault.Hint(fmt.Errorf("its files are away: %w", err), "it goes on when they are back; p2pshare repair fetches them again, p2pshare remove forgets it"),
			func() bool { return missing(m, path, want) == nil },
		}
	}
	if err := missing(m, path, want); err != nil {
		return away(err)
	}
	return nil
}

// missing names a file of what is wanted (nil: all) that is not there, or cannot be looked at.
func missing(m *metafile.Torrent, path string, want []bool) error {
	at, err := content.At(m, path)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return fmt.Errorf("%q is gone", path)
		}
		return err
	}
	for i := range at.Paths {
		if want != nil && !want[i] {
			continue
		}
		look := os.Stat
		if m.Files[i].Symlink != nil {
			look = os.Lstat // it may lead to nothing
		}
		if _, err := look(at.File(i)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%q is gone", at.File(i))
		} else if err != nil {
			return err
		}
	}
	return nil
}
