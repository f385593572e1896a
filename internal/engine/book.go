package engine

import (
	"sync"
	"time"

	"github.com/anacrolix/torrent"
)

// book is what a torrent knows of addresses. The client forgets an address that failed once, and so a
// fetch whose first connections are lost (both sides dialled, the seeder was not up yet) would stand
// still until the next announce, minutes later. The book offers it again, ever less often.
type book struct {
	now func() time.Time

	mu    sync.Mutex
	known map[string]*bookEntry
	told  map[string]bool // by peers (PEX) to the client: they may be dialled, and are not offered
	wake  chan struct{}   // told of a new address
}

type bookEntry struct {
	source  torrent.PeerSource
	alias   string // that the client of a private group is given instead
	careful bool   // a link named it, in a private network; see gate.go
	tries   int
	offered time.Time
	next    time.Time
}

func newBook(now func() time.Time) *book {
	return &book{now: now, known: map[string]*bookEntry{}, wake: make(chan struct{}, 1)}
}

// add takes an address as host:port. One that is known and was heard of again is due again soon, for
// somebody has just said that it is there; on the LAN, where only it can have said so, at once.
func (b *book) add(addr string, source torrent.PeerSource) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	e := b.known[addr]
	switch {
	case e == nil:
		if len(b.known) >= maxKnownPeers && !b.dropWorst() {
			return
		}
		b.known[addr] = &bookEntry{source: source, next: now}
	case e.careful: // somebody who may has named it too
		*e = bookEntry{source: source, alias: e.alias, next: now}
	case now.Sub(e.offered) <= heardAgain: // whoever says it all the time
	case source == torrent.PeerSourceLPD:
		e.next = now
	case e.tries > 2:
		e.tries = 2
		e.next = now
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// addCareful takes an address of a private network that a link names. There is room for few, and nothing makes one be tried
// more often.
func (b *book) addCareful(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[addr] != nil || len(b.known) >= maxKnownPeers {
		return
	}
	n := 0
	for _, e := range b.known {
		if e.careful {
			n++
		}
	}
	if n >= maxCareful {
		return
	}
	b.known[addr] = &bookEntry{source: sourceLink, careful: true, next: b.now()}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// tell notes an address that the client was told by a peer.
func (b *book) tell(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told == nil || len(b.told) >= maxKnownPeers {
		b.told = map[string]bool{}
	}
	b.told[addr] = true
}

// has says whether an address is known here, and if so whether only a link named it.
func (b *book) has(addr string) (known, careful bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.known[addr]; e != nil {
		return true, e.careful && !b.told[addr]
	}
	return b.told[addr], false
}

// due gives the addresses to offer now, and when the next one will be due. Those that connected says
// are connected are left alone, and their tries forgotten.
func (b *book) due(connected func(addr string) bool) (out []torrent.PeerInfo, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for addr, e := range b.known {
		if connected(addr) {
			e.tries = 0
			e.next = now.Add(time.Second)
		} else if e.careful && e.tries >= carefulTries {
			continue
		} else if !e.next.After(now) {
			out = append(out, torrent.PeerInfo{Addr: torrent.StringAddr(addr), Source: e.source})
			e.offered, e.next = now, now.Add(e.backoff())
			e.tries++
		}
		if next.IsZero() || e.next.Before(next) {
			next = e.next
		}
	}
	return out, next
}

// backoff doubles from a quarter of a second for those that the user named or that are on the LAN,
// and from two seconds for the rest of the world.
func (e *bookEntry) backoff() time.Duration {
	first, most := 2*time.Second, 5*time.Minute
	switch e.source {
	case torrent.PeerSourceDirect, torrent.PeerSourceLPD, sourceMember:
		first, most = 250*time.Millisecond, 30*time.Second
	}
	return min(first<<min(e.tries, 16), most)
}

// dropWorst forgets the address that failed most often; the user's own are kept.
func (b *book) dropWorst() bool {
	worst, tries := "", -1
	for a, e := range b.known {
		if e.source != torrent.PeerSourceDirect && e.tries > tries {
			worst, tries = a, e.tries
		}
	}
	delete(b.known, worst)
	return tries >= 0
}

// rest leaves an address alone that has nothing for us, and for which we have nothing.
func (b *book) rest(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.known[addr]; e != nil {
		e.next = b.now().Add(seedsRest)
	}
}

// remove forgets an address, and gives its alias.
func (b *book) remove(addr string) (alias string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.known[addr]; e != nil {
		alias = e.alias
	}
	delete(b.known, addr)
	return alias
}

// aliasOf is the alias of an address, made by another if it has none.
func (b *book) aliasOf(addr string, another func() string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.known[addr]
	if e == nil {
		return another() // forgotten a moment ago
	}
	if e.alias == "" {
		e.alias = another()
	}
	return e.alias
}

// renew takes an address's alias away.
func (b *book) renew(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.known[addr]; e != nil {
		e.alias = ""
	}
}

// take is add for what another book knew.
func (b *book) take(k Known) {
	if !k.careful {
		b.add(k.addr, k.source)
		return
	}
	b.addCareful(k.addr)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.known[k.addr]; e != nil && e.careful {
		e.tries = max(e.tries, k.tries)
	}
}

func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.known)
}

func (b *book) all() []Known {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Known, 0, len(b.known))
	for addr, e := range b.known {
		out = append(out, Known{addr, e.source, e.careful, e.tries})
	}
	return out
}
