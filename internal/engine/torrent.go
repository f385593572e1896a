package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	g "github.com/anacrolix/generics"
	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"
	infohash_v2 "github.com/anacrolix/torrent/types/infohash-v2"

	"github.com/p2pshare/p2pshare/internal/infohash"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Spec is a torrent to take part in. V1 or V2 is required; the rest is what is known besides.
type Spec struct {
	V1   *metainfo.Hash
	V2   *[32]byte
	Name string // shown until the info is there

	// Info is the info's bencoded bytes. Without it the torrent can only be asked for its Metadata, and
	// is then to be closed and added again with it.
	Info        []byte
	Judged      *metainfo.Info    // what Info says; nil: what the client's decoder reads in it
	PieceLayers map[string]string // BEP 52, with Info

	// Storage is where pieces are read and written; required with Info. It is opened by Add, with the
	// info as the engine will use it: files without bytes are left out of a v2 info. If it has a method Kept() int64, that
	// is how many bytes of the blocks written to it were not forgotten so far; see [Stats.Kept].
	Storage storage.ClientImpl
	Total   int64 // bytes that are missing, for the trackers' "left"; 0: all is there
	Rest    int64 // bytes that are not wanted, and not here either: with some it is a partial seed once done (BEP 21)

	MaxUp, MaxDown int64 // bytes a second; 0: no limit but the engine's

	Trackers [][]string // tiers
	Peers    []string   // IP:PORT, named by the user, or found by who vouches for them
	Linked   []string   // IP:PORT, named by the reference
	// LinkedPrivate says that those in private networks are the user's own wish.
	LinkedPrivate bool
	Known         []Known // addresses that an earlier look-up found
}

// Known is an address and where it was heard of.
type Known struct {
	addr    string
	source  torrent.PeerSource
	careful bool
	tries   int
}

// Torrent is one torrent of an Engine.
type Torrent struct {
	e    *Engine
	t    *torrent.Torrent
	spec Spec
	book *book

	extent *extent
	layers layers

	flows  flows
	seats  *seats
	pieces int // 0 until the info is known
	copies copies
	// unions are guarded by the mu of e.
	unions map[unionKey]*haveUnion
	given  given
	near   nearCounts
	store  *atomic.Pointer[opened] // nil in it: there is none to read from

	pieceLength int64
	super       *superSeeder // once a peer came while all was here; e.mu guards it

	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once

	announcing   chan struct{} // places for announces
	mu           sync.Mutex
	trackerErrs  map[string]error
	trackerWords map[string]TrackerWord
	private      bool          // the info is known, and says so
	moved        bool          // added again under another Torrent: trackers need not hear of the end
	done         chan struct{} // closed when all that is wanted is there
	doneOnce     sync.Once
	writeErr     chan error
}

// Add joins the swarm of s and starts to look for peers. Adding a torrent that is there already, or with
// an info that does not hash to the infohash, is an error.
func (e *Engine) Add(s Spec) (*Torrent, error) {
	if err := s.judgeHashes(); err != nil {
		return nil, fmt.Errorf("adding torrent: %w", err)
	}
	if e.members != nil {
		if err := s.judgePrivate(); err != nil {
			return nil, fmt.Errorf("adding torrent: %w", err)
		}
	}
	ts := &torrent.TorrentSpec{DisplayName: s.Name}
	ts.InfoBytes = s.Info
	if s.V1 == nil {
		ts.PieceLayers = s.PieceLayers // a hybrid runs as v1; see prepared
	}
	raw := s.Judged != nil && !readsAs(s.Info, s.Judged)
	if raw {
		ts.InfoBytes, ts.PieceLayers = nil, nil // putInfo gives them
	}
	ts.Storage = emptied{}
	store, writeErr := new(atomic.Pointer[opened]), make(chan error, 1)
	var once sync.Once
	failed := func(err error) {
		select {
		case writeErr <- err:
		default: // the first is the one to tell
		}
	}
	switch {
	case s.Info != nil && s.withoutPieces():
		ts.Storage = byteless{}
	case s.Info != nil:
		ts.Storage = prepared{s.Storage, store, func(bug *panics.Error) {
			once.Do(func() { e.fault("the files of a torrent", bug) }) // not for each block that is asked for
			failed(bug)
		}}
	}
	if s.V1 != nil {
		ts.InfoHash = *s.V1
	}
	if s.V2 != nil {
		ts.InfoHashV2 = g.Some(infohash_v2.T(*s.V2))
	}
	extent, undo := e.expect(s.shorts())
	taken := false
	defer func() {
		if !taken {
			undo()
		}
	}()
	et, isNew, err := e.client.AddTorrentSpec(ts)
	if err != nil {
		return nil, fmt.Errorf("adding torrent: %w", err)
	}
	if !isNew {
		return nil, errors.New("this torrent is here already")
	}
	if raw {
		layers := s.PieceLayers
		if s.V1 != nil {
			layers = nil
		}
		if err := putInfo(e.client, et, s.Info, s.Judged, layers); err != nil {
			et.Drop()
			return nil, fmt.Errorf("adding torrent: %w", err)
		}
	}
	taken = true
	if s.Info != nil {
		extent.settle(et.Info(), len(s.Info))
	} else {
		extent.lookup = newLookup(s)
		extent.settle(nil, 0)
	}
	t := &Torrent{
		e: e, t: et, spec: s, store: store, extent: extent, book: newBook(time.Now), seats: newSeats(torrentSeats, e.settings.Log),
		trackerErrs: map[string]error{}, trackerWords: map[string]TrackerWord{},
		announcing: make(chan struct{}, torrentAnnounces),
		done:       make(chan struct{}),
		writeErr:   writeErr,
	}
	t.given.init()
	et.SetOnWriteChunkError(failed)
	for _, p := range s.Peers {
		t.book.add(p, torrent.PeerSourceDirect)
	}
	for _, k := range s.Known {
		t.book.take(k)
	}
	t.linked(s.Linked, s.LinkedPrivate)
	if info := et.Info(); s.Info != nil && info != nil {
		t.pieces, t.pieceLength = info.NumPieces(), info.PieceLength
	}
	t.SetLimits(s.MaxUp, s.MaxDown)
	t.register()
	e.noteEarly(t)
	if s.Info != nil {
		t.learnPrivate()
		if s.Total == 0 {
			t.SetDone()
		}
	}
	t.start()
	return t, nil
}

// judgeHashes refuses what the client would panic on, with its lock held: no hash, and zeros.
func (s Spec) judgeHashes() error {
	if s.V1 == nil && s.V2 == nil {
		return errors.New("it has no infohash")
	}
	var err error
	if s.V1 != nil {
		err = infohash.Check(s.V1[:])
	}
	if s.V2 != nil && err == nil {
		err = infohash.Check(s.V2[:])
	}
	if err != nil {
		return fmt.Errorf("the infohash: %w", err)
	}
	return nil
}

// SetLimits changes the torrent's rates, in bytes a second; 0: none but the engine's.
func (t *Torrent) SetLimits(up, down int64) {
	t.e.up.SetFlowRate(&t.flows.up, up)
	t.e.down.SetFlowRate(&t.flows.down, down)
}

// register lets the engine's callbacks find the torrent.
func (t *Torrent) register() {
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	t.e.torrents[t] = struct{}{}
	t.e.byTorrent[t.t] = t
	for _, short := range t.shorts() {
		t.e.byShort[short] = t
		t.e.extents[short] = t.extent // also if another's end came in between
	}
}

func (t *Torrent) unregister() {
	t.SetLimits(0, 0) // who waits for a turn in it need not
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	delete(t.e.torrents, t)
	delete(t.e.byTorrent, t.t)
	for _, short := range t.shorts() {
		if t.e.byShort[short] == t {
			delete(t.e.byShort, short)
		}
		if t.e.extents[short] == t.extent {
			delete(t.e.extents, short)
		}
	}
}

// start looks for peers until Close.
func (t *Torrent) start() {
	ctx, cancel := context.WithCancel(t.e.ctx)
	t.cancel = cancel
	keep := func(what string, f func()) {
		t.wg.Go(t.e.persist(ctx, what, f))
	}
	keep("dialling", func() { t.offerPeers(ctx) })
	for _, tier := range t.spec.Trackers {
		if len(tier) > 0 {
			keep("announcing to trackers", func() { t.announceTier(ctx, tier) })
		}
	}
	keep("announcing", func() { t.announceOpenly(ctx) })
}

// Metadata waits for the info and gives its bencoded bytes, which hash to the infohash. It need be none that the client
// can read.
func (t *Torrent) Metadata(ctx context.Context) ([]byte, error) {
	l := t.extent.lookup
	if l == nil {
		return t.spec.Info, nil
	}
	look := time.NewTicker(metadataLook)
	defer look.Stop()
	for {
		select {
		case <-l.found:
			t.mu.Lock()
			t.private = saysPrivate(l.info)
			t.mu.Unlock()
			return l.info, nil
		case <-look.C:
			l.tend()
		case <-t.t.Closed():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// AddPeers takes addresses, host:port, at which the torrent may be had, besides those of the Spec. One that is known
// already is tried again soon.
func (t *Torrent) AddPeers(addrs ...string) {
	for _, a := range addrs {
		t.book.add(a, sourceMember)
	}
}

// ForgetPeers dials these addresses no more. Connections to them stay.
func (t *Torrent) ForgetPeers(addrs ...string) {
	for _, a := range addrs {
		if alias := t.book.remove(a); alias != "" {
			t.e.members.drop(alias)
		}
	}
}

// Found ends a look-up, and gives the addresses it knew, for the Spec that follows with the info.
func (t *Torrent) Found() []Known {
	t.mu.Lock()
	t.moved = true
	t.mu.Unlock()
	t.Close()
	return t.book.all()
}

// Want asks for pieces begin to end, end not included. Each gets one of the five priorities by lot: the
// client takes equally rare pieces in the order of their numbers, so that everybody who fetches at the same
// time would ask the only seeder for the same ones, and have nothing to give each other. With twelve
// fetchers the last is done in 2.5 times the bound rather than 4.
func (t *Torrent) Want(begin, end int) {
	for i := begin; i < end; i++ {
		lot := torrent.PiecePriorityNormal + rand.N(torrent.PiecePriorityNow-torrent.PiecePriorityNormal+1)
		t.t.Piece(i).SetPriority(lot)
	}
}

// Wait returns when every piece of the ranges is complete, or with what stopped that: ctx, Close or
// an error of the storage.
func (t *Torrent) Wait(ctx context.Context, ranges [][2]int) error {
	sub := t.t.SubscribePieceStateChanges()
	defer sub.Close()
	missing := map[int]struct{}{}
	for _, r := range ranges {
		for i := r[0]; i < r[1]; i++ {
			if !t.t.PieceState(i).Complete {
				missing[i] = struct{}{}
			}
		}
	}
	nudge := newNudge(t)
	defer nudge.stop()
	for len(missing) > 0 {
		select {
		case <-nudge.tick.C:
			nudge.look(missing)
		case c, ok := <-sub.Values:
			if !ok {
				return ErrClosed
			}
			if _, ours := missing[c.Index]; ours && c.Complete {
				delete(missing, c.Index)
			}
		case <-t.given.news:
			for _, i := range t.given.take() {
				delete(missing, i)
			}
		case err := <-t.writeErr:
			return err
		case <-t.t.Closed():
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.SetDone()
	return nil
}

// SetDone says that nothing more is wanted: trackers are told "completed" if they knew us before.
func (t *Torrent) SetDone() { t.doneOnce.Do(func() { close(t.done) }) }

// Private says whether the info is known and has the private flag (BEP 27).
func (t *Torrent) Private() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.private
}

// Close leaves the swarm, tells the trackers and waits for all that ran for the torrent.
func (t *Torrent) Close() {
	t.once.Do(func() {
		t.cancel()
		t.t.Drop()
		t.unregister()
		if t.e.members != nil {
			t.e.members.dropTorrent(t)
		}
	})
	t.wg.Wait()
}

// learnPrivate notes the private flag once the client has the info.
func (t *Torrent) learnPrivate() {
	info := t.t.Info()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.private = info != nil && private(*info)
}

// shorts are the infohashes that the torrent goes by in handshakes, DHT and trackers: the v1 one and,
// for v2 and hybrid torrents, the first 20 bytes of the v2 one (BEP 52).
func (t *Torrent) shorts() [][20]byte { return t.spec.shorts() }

func (s Spec) shorts() [][20]byte {
	var out [][20]byte
	if s.V1 != nil {
		out = append(out, *s.V1)
	}
	if s.V2 != nil {
		out = append(out, [20]byte(s.V2[:20]))
	}
	return out
}

func (t *Torrent) completed() <-chan struct{} { return t.done }

func (t *Torrent) isDone() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// hungry says that something is wanted and nobody is there to give it.
func (t *Torrent) hungry() bool {
	return !t.isDone() && t.t.Stats().ActivePeers == 0
}

func (t *Torrent) announceCounts() (up, down, left int64) {
	s := t.t.Stats()
	up = s.BytesWrittenData.Int64() + t.near.sent.Load()
	inBlocks, whole := s.BytesReadUsefulData.Int64(), t.given.bytes.Load()+t.near.got.Load()
	left = t.spec.Rest
	if !t.isDone() {
		// Before the info is known any number but 0 says "not a seed".
		left = max(t.spec.Total-t.kept(inBlocks)-whole+left, 1)
	}
	return up, inBlocks + whole, left
}
