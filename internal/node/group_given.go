package node

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/chunk"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// maxGiving is how many of the entries of a torrent, which its own account or admins have signed, it is given by: the first in the
	// catalog's order. All of them are asked for each connection.
	maxGiving = 1000
	// maxHaves is how many different lists of what is here are remembered: one for those who may read the same.
	maxHaves = 8
	// wholeFor is how long the torrents that are whole are not looked for again.
	wholeFor = time.Second
)

// judged is what members' rights are asked of: the catalog by hashes, and what was judged by it. It holds for one state and index
// of the group, and until a right ends by its time. insiders.indexMu guards it.
type judged struct {
	state *acl.State
	index *catalog.Index
	until time.Time // zero: nothing ends

	byHash    map[[20]byte][]*catalog.Entry // by the infohashes of 20 bytes
	byTorrent map[signed.Hash][]*catalog.Entry
	byChunks  map[signed.Hash][]*catalog.Entry
	held      map[signed.Hash][]catalog.Held // what a mirror may hold, by .torrent

	counts map[[20]byte][]*catalog.Entry // of byHash those that give a torrent that is here, at most maxGiving

	whole []([20]byte)            // that lists are of
	have  map[string][][20]byte   // of whole, what an account may have
	lists [][][20]byte            // the different ones in have
	infos map[signed.Hash]infoSum // of indexes of chunks that are here
}

// infoSum is the SHA-256 of an info; not ok: there is none.
type infoSum struct {
	sum signed.Hash
	ok  bool
}

// judge is the judged of a policy and index. indexMu is held.
func (in *insiders) judge(p access.Policy, ix *catalog.Index) *judged {
	j := in.judged
	if j != nil && j.state == p.State && j.index == ix && (j.until.IsZero() || p.Now.Before(j.until)) {
		return j
	}
	j = &judged{
		state: p.State, index: ix, until: p.Until(),
		byHash: map[[20]byte][]*catalog.Entry{}, byTorrent: map[signed.Hash][]*catalog.Entry{}, byChunks: map[signed.Hash][]*catalog.Entry{},
		held: map[signed.Hash][]catalog.Held{}, counts: map[[20]byte][]*catalog.Entry{}, have: map[string][][20]byte{}, infos: map[signed.Hash]infoSum{},
	}
	for _, e := range ix.Entries() {
		if e.V1 != nil {
			j.byHash[*e.V1] = append(j.byHash[*e.V1], e)
		}
		short := [20]byte(e.Info[:20])
		j.byHash[short] = append(j.byHash[short], e)
		j.byTorrent[e.Torrent] = append(j.byTorrent[e.Torrent], e)
		if e.Chunks != nil {
			j.byChunks[*e.Chunks] = append(j.byChunks[*e.Chunks], e)
		}
	}
	for _, h := range ix.Held() {
		j.held[h.Torrent] = append(j.held[h.Torrent], h)
	}
	in.judged = j
	return j
}

// first are the first of some entries that give a torrent to whom they are for.
func first(p access.Policy, list []*catalog.Entry, t access.Torrent) (out []*catalog.Entry) {
	for _, e := range list {
		if p.Counts(e, t) {
			if out = append(out, e); len(out) == maxGiving {
				break
			}
		}
	}
	return out
}

// moved is a torrent that moves here: what gives it to members.
type moved struct {
	access.Torrent
	entries []*catalog.Entry
	held    bool // it is ciphertext that this machine keeps as a mirror, and hands to members
}

// movedBy is what is known of a torrent that moves here; not ok: it does not.
func (m *member) movedBy(p access.Policy, ix *catalog.Index, infohash [20]byte) (out moved, ok bool) {
	in := &m.insiders
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	if out.Torrent, ok = in.moving[infohash]; !ok {
		return out, false
	}
	j := in.judge(p, ix)
	list, known := j.counts[infohash]
	if !known {
		list = first(p, j.byHash[infohash], out.Torrent)
		j.counts[infohash] = list
	}
	out.entries = list
	if h, kept := in.heldBy[infohash]; kept {
		out.held = slices.ContainsFunc(j.held[h], func(x catalog.Held) bool { return p.Vouches(x.Account, x.N, out.Torrent) == nil })
	}
	return out, true
}

// entryFor names the entry by which an account is given a torrent that moves here.
func (m *member) entryFor(p access.Policy, a *acl.Account, infohash [20]byte) (string, error) {
	ix, err := m.Index()
	if err != nil {
		return "", err
	}
	return m.entryIn(p, ix, a, infohash)
}

func (m *member) entryIn(p access.Policy, ix *catalog.Index, a *acl.Account, infohash [20]byte) (string, error) {
	t, ok := m.movedBy(p, ix, infohash)
	if !ok {
		return "", access.ErrNoRight // it is not here
	}
	for _, e := range t.entries {
		if p.For(a, e) {
			return e.Ref(), nil
		}
	}
	if t.held && p.Keeps(a) {
		return "", nil // whose name a mirror cannot read
	}
	return "", access.ErrNoRight
}

// mayTake says whether a device may have the .torrent, or the index of chunks, with a hash.
func (m *member) mayTake(k signed.Key, h signed.Hash) bool {
	p, a, err := m.policyFor(k)
	if err != nil {
		return false
	}
	ix, err := m.Index()
	if err != nil {
		return false
	}
	in := &m.insiders
	in.indexMu.Lock()
	j := in.judge(p, ix)
	byTorrent, byChunks, held := j.byTorrent[h], j.byChunks[h], j.held[h]
	in.indexMu.Unlock()
	gives := func(list []*catalog.Entry, t access.Torrent) bool {
		return slices.ContainsFunc(first(p, list, t), func(e *catalog.Entry) bool { return p.For(&a, e) })
	}
	if t, ok := m.torrentHere(h); ok {
		if gives(byTorrent, t) || p.Keeps(&a) && slices.ContainsFunc(held, func(x catalog.Held) bool { return p.Holds(&a, x, t) }) {
			return true
		}
	}
	if len(byChunks) == 0 {
		return false
	}
	info := m.infoOfIndex(j, h)
	for _, e := range byChunks {
		if !info.ok || e.Info != info.sum {
			continue
		}
		if t, ok := m.torrentHere(e.Torrent); ok && gives([]*catalog.Entry{e}, t) {
			return true
		}
	}
	return false
}

// infoOfIndex says which torrent the index of chunks with a hash is of, if it is here: an entry may name any.
func (m *member) infoOfIndex(j *judged, h signed.Hash) infoSum {
	in := &m.insiders
	in.indexMu.Lock()
	s, known := j.infos[h]
	in.indexMu.Unlock()
	if known {
		return s
	}
	if x, err := chunk.Decode(m.indexFile(h)); err == nil {
		s = infoSum{x.Info, true}
	}
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	if s.ok {
		j.infos[h] = s
	}
	return s
}

// haveFor tells a caller of which torrents content is here that it may have. It is worked out once for a catalog and those
// who may read the same, for one caller at a time.
func (m *member) haveFor(r *http.Request) [][20]byte {
	peer, err := groupnet.PeerKey(r)
	if err != nil {
		return nil
	}
	return m.haveOf(r.Context(), peer)
}

func (m *member) haveOf(ctx context.Context, peer signed.Key) [][20]byte {
	in := &m.insiders
	in.mu.Lock()
	e := in.e
	in.mu.Unlock()
	if e == nil || m.resting() != nil {
		return nil
	}
	select {
	case in.having <- struct{}{}:
		defer func() { <-in.having }()
	case <-ctx.Done():
		return nil
	}
	p, a, err := m.policyFor(peer)
	if err != nil {
		return nil
	}
	ix, err := m.Index()
	if err != nil {
		return nil
	}
	whole := in.wholeNow(e, p.Now)
	in.indexMu.Lock()
	j := in.judge(p, ix)
	if !slices.Equal(j.whole, whole) {
		j.whole, j.have, j.lists = whole, map[string][][20]byte{}, nil
	}
	list, known := j.have[a.Name]
	in.indexMu.Unlock()
	if known {
		return list
	}
	for _, h := range whole {
		if _, err := m.entryIn(p, ix, &a, h); err == nil {
			list = append(list, h)
		}
	}
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	return j.keep(a.Name, list)
}

// wholeNow are the torrents that are whole here, in their order. in.having is held.
func (in *insiders) wholeNow(e *engine.Engine, now time.Time) [][20]byte {
	if in.wholeAt.IsZero() || now.Sub(in.wholeAt).Abs() >= wholeFor {
		in.wholeAt, in.whole = now, e.Complete()
		slices.SortFunc(in.whole, func(a, b [20]byte) int { return bytes.Compare(a[:], b[:]) })
	}
	return in.whole
}

// keep remembers what an account may have. indexMu is held.
func (j *judged) keep(account string, list [][20]byte) [][20]byte {
	i := slices.IndexFunc(j.lists, func(o [][20]byte) bool { return slices.Equal(o, list) })
	switch {
	case i >= 0:
		list = j.lists[i]
	case len(j.lists) >= maxHaves:
		j.have, j.lists = map[string][][20]byte{}, nil
		fallthrough
	default:
		j.lists = append(j.lists, list)
	}
	j.have[account] = list
	return list
}
