package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/state"
	"github.com/p2pshare/p2pshare/internal/store"
)

// keeper is what a daemon's node has more than another: the shares of its home, each run by a goroutine of
// its own as long as the keeper is open.
type keeper struct {
	n       *Node
	store   *store.Store[record]
	lock    *state.Lock
	started time.Time

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // the shares' goroutines and the caretaker's

	fetches *semaphore.Weighted // turns; nil: no limit
	hashing *semaphore.Weighted // one share is hashed at a time: two would only fight for the disk

	opening *opening // which shares are being started

	asleep bool // opened to change what rests: nothing is started

	mu       sync.Mutex
	items    map[string]*item
	closed   bool
	problems []string // of the home
	limits   setLimits
	firm     firm
	saved    map[string]counters
	gone     BytesFrom        // what shares that were removed had received since the start
	watched  map[*share]*item // whose files are looked at
}

// openKeeper takes the home and reads what is in it. Nothing runs before resume.
func openKeeper(n *Node) (*keeper, error) {
	lock, err := n.home.TryLock(daemonLock)
	if err != nil {
		return nil, err
	}
	k := &keeper{n: n, lock: lock, started: time.Now(), items: map[string]*item{}, watched: map[*share]*item{}, hashing: semaphore.NewWeighted(1)}
	k.firm = firm{n.opts.FirmUp, n.opts.FirmDown}
	if n.opts.Fetches > 0 {
		k.fetches = semaphore.NewWeighted(int64(n.opts.Fetches))
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	if err := errors.Join(state.Sweep(n.home.Dir(), "limits.json", "counters.json", openingFile), k.load()); err != nil {
		k.cancel()
		return nil, errors.Join(err, lock.Unlock())
	}
	return k, nil
}

func (k *keeper) load() error {
	h, err := readHome(k.n.home, store.Open[record])
	if err != nil {
		return err
	}
	k.store, k.limits, k.saved, k.problems = h.store, h.limits, h.counters, h.problems
	if err := k.readOpening(); err != nil {
		k.problems = append(k.problems, "which shares were being started is not known: "+err.Error())
	}
	if k.lock.Weak() {
		k.problems = append(k.problems, fmt.Sprintf("the file system of the home %q has no locks: no p2pshare of another machine may use it meanwhile", k.n.home.Dir()))
	}
	for _, p := range k.problems {
		k.n.log.Warn("the home", "problem", p)
	}
	for _, i := range h.items {
		it := k.newItem(i.ID, i.Value)
		it.before = k.saved[i.ID]
		k.items[i.ID] = it
	}
	for _, b := range h.bad {
		it := k.newItem(b.ID, record{Name: b.ID})
		it.state, it.reason = StateDamaged, b.Err.Error()
		it.hint = "p2pshare remove " + b.ID + " forgets it; its files stay"
		k.items[b.ID] = it
	}
	return nil
}

// resume starts every share that is to run, and the caretaker.
func (k *keeper) resume() {
	k.wg.Go(k.steady("looking after shares", k.care))
	k.startAll()
}

// close stops every share, as it is, writes the counters and gives the home free.
func (k *keeper) close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.opening.close()
	k.cancel()
	k.wg.Wait()
	err := k.saveCounters()
	return errors.Join(err, k.lock.Unlock())
}

// sorted lists the items in the order they were added. k.mu is held.
func (k *keeper) sorted() []*item {
	out := make([]*item, 0, len(k.items))
	for _, it := range k.items {
		out = append(out, it)
	}
	slices.SortFunc(out, func(a, b *item) int { return byAge(named{a.id, &a.rec}, named{b.id, &b.rec}) })
	return out
}

// find gives the items that the references name, each once. k.mu is held.
func (k *keeper) find(refs []string, all bool) ([]*item, error) {
	list := k.sorted()
	names := make([]named, len(list))
	for i, it := range list {
		names[i] = named{it.id, &it.rec}
	}
	at, err := pick(names, refs, all)
	if err != nil {
		return nil, err
	}
	out := make([]*item, len(at))
	for i, j := range at {
		out[i] = list[j]
	}
	return out, nil
}

// holding is the item that holds a torrent, other than not; nil if none does. k.mu is held.
func (k *keeper) holding(m *metafile.Torrent, not *item) *item {
	v1, v2 := hashes(m)
	for _, it := range k.items {
		if it != not && (v1 != "" && it.rec.Infohash == v1 || v2 != "" && it.rec.InfohashV2 == v2) {
			return it
		}
	}
	return nil
}

// newID makes an ID that no share has. 40 bits keep the IDs of one home apart and can still be typed.
func newID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// daemonLock is held by the process that a home belongs to.
const daemonLock = "daemon"

// homeState is everything that a home keeps.
type homeState struct {
	store    *store.Store[record]
	items    []store.Item[record]
	bad      []store.Bad
	limits   setLimits
	counters map[string]counters
	problems []string
}

// readHome reads the home through open, which is store.Open or store.Read. What cannot be read is a problem to
// tell, not an error.
func readHome(home *state.Home, open func(dir string, version int) (*store.Store[record], []store.Item[record], []store.Bad, error)) (*homeState, error) {
	h := &homeState{counters: map[string]counters{}}
	var err error
	if h.store, h.items, h.bad, err = open(home.Path("shares"), recordVersion); err != nil {
		return nil, err
	}
	h.items = slices.DeleteFunc(h.items, func(i store.Item[record]) bool {
		err := i.Value.check()
		if err != nil {
			h.bad = append(h.bad, store.Bad{ID: i.ID, Err: err})
		}
		return err != nil
	})
	for _, b := range h.bad {
		h.problems = append(h.problems, fmt.Sprintf("the share %s is passed over: %v", b.ID, b.Err))
	}
	var doc countersDoc
	switch err := state.ReadVersioned(home.Path("counters.json"), countersVersion, &doc); {
	case err == nil:
		h.counters = doc.Shares
	case !errors.Is(err, fs.ErrNotExist):
		h.problems = append(h.problems, "what was sent and received before is not known: "+err.Error())
	}
	if h.counters == nil {
		h.counters = map[string]counters{}
	}
	err = state.ReadVersioned(home.Path("limits.json"), limitsVersion, &h.limits)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.problems = append(h.problems, "the limits are not known, and those of the settings hold: "+err.Error())
		h.limits = setLimits{}
	}
	return h, nil
}

// named is a share as references find it.
type named struct {
	id  string
	rec *record
}

// byAge orders shares as they were added.
func byAge(a, b named) int {
	if c := a.rec.Added.Compare(b.rec.Added); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

// pick gives the places of the shares that the references name, each once, in the order of the references.
func pick(list []named, refs []string, all bool) ([]int, error) {
	if all {
		out := make([]int, len(list))
		for i := range list {
			out[i] = i
		}
		return out, nil
	}
	var out []int
	for _, ref := range refs {
		i, err := pickOne(list, ref)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out, nil
}

// pickOne finds one share. What names it whole goes before first digits.
func pickOne(list []named, ref string) (int, error) {
	for _, match := range []func(s named) bool{
		func(s named) bool { return s.id == ref },
		func(s named) bool {
			entry, _, _ := strings.Cut(s.rec.Entry, "@")
			return s.rec.Name == ref || s.rec.Path == ref || s.rec.Entry != "" && (s.rec.Entry == ref || entry == ref) || s.rec.Magnet != "" && s.rec.Magnet == ref ||
				sameHash(s.rec.Infohash, ref) || sameHash(s.rec.InfohashV2, ref)
		},
		func(s named) bool {
			low := strings.ToLower(ref)
			return len(ref) >= minPrefix && (strings.HasPrefix(s.id, low) || strings.HasPrefix(s.rec.Infohash, low) || strings.HasPrefix(s.rec.InfohashV2, low))
		},
	} {
		var hits []int
		for i, s := range list {
			if match(s) {
				hits = append(hits, i)
			}
		}
		switch {
		case len(hits) == 1:
			return hits[0], nil
		case len(hits) > 1:
			var ids []string
			for _, i := range hits[:min(len(hits), 5)] {
				ids = append(ids, list[i].id)
			}
			return 0, fault.Hint(fault.New(fault.Usage, "%q names %d shares", ref, len(hits)), "name one by its ID: %s", strings.Join(ids, ", "))
		}
	}
	return 0, fault.Hint(fault.New(fault.NotFound, "no share is called %q", ref), "p2pshare list shows what there is")
}

// minPrefix is how many first digits name a share at least.
const minPrefix = 4

// sameHash says whether ref is the infohash, alone or in a magnet link.
func sameHash(hash, ref string) bool {
	if hash == "" {
		return false
	}
	low := strings.ToLower(ref)
	return low == hash || strings.HasPrefix(low, "magnet:?") && strings.Contains(low, hash)
}
