package engine

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/places"
)

// The client keeps peers that do nothing for a minute, and then takes whoever comes next: a stranger who connects faster
// than others keeps them out for ever. So seats are given here: of a torrent whose house is full, the peer goes that has
// carried nothing worth it for longest, of the address that has most.

// seats are the places of peers whose handshake named a torrent.
type seats struct {
	log    *slog.Logger
	places *places.Places[netip.Prefix]

	mu     sync.Mutex
	guests map[*guest]*seated
	looked time.Time
	dialed time.Time // when somebody last made room for one that we dialled
}

// seated is a guest's place, and how many of its bytes had been carried when it was last seen to be of use.
type seated struct {
	place *places.Place[netip.Prefix]
	seen  int64
}

func newSeats(most int, log *slog.Logger) *seats {
	return &seats{
		log:    log,
		places: places.NewBusy[netip.Prefix](most, most, seatBusy, time.Now),
		guests: map[*guest]*seated{},
	}
}

// guest is a connection that may get seats: below all that follows or shapes it.
type guest struct {
	net.Conn
	ours  bool         // we dialled
	bytes atomic.Int64 // that were carried

	mu     sync.Mutex
	closed bool
	seats  []*seats
}

func (g *guest) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.bytes.Add(int64(n))
	return n, err
}

func (g *guest) Write(b []byte) (int, error) {
	n, err := g.Conn.Write(b)
	g.bytes.Add(int64(n))
	return n, err
}

func (g *guest) Close() error {
	g.mu.Lock()
	g.closed = true
	given := g.seats
	g.seats = nil
	g.mu.Unlock()
	for _, s := range given {
		s.leave(g)
	}
	return g.Conn.Close()
}

// seat gives a connection its seats, or closes it, after its handshake and before the client counts it. The client's lock
// is not held.
func (t *Torrent) seat(g *guest, pc *torrent.PeerConn) {
	origin := t.e.machineAt(pc)
	for _, s := range []*seats{t.seats, t.e.seats} {
		if !s.take(g, origin) {
			g.Close()
			return
		}
	}
}

// take gives a guest a seat, unless all are taken by busy ones.
func (s *seats) take(g *guest, origin netip.Prefix) bool {
	if s.places.Full() {
		if g.ours && !s.another() {
			return false
		}
		s.look()
	}
	// Not at once: whoever makes room may be held up by what it is closed for.
	leave := panics.Guard(func() { g.Close() }, panics.Logged(s.log, "a peer that gives way"))
	p := s.places.Take(origin, func() { go leave() })
	if p == nil {
		return false
	}
	s.mu.Lock()
	s.guests[g] = &seated{place: p}
	s.mu.Unlock()
	g.mu.Lock()
	closed := g.closed
	if !closed {
		g.seats = append(g.seats, s)
	}
	g.mu.Unlock()
	if closed {
		s.leave(g)
	}
	return !closed
}

// another says whether one more that we dialled may displace somebody: there are always others to try, but no more than
// one each dialEvery.
func (s *seats) another() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.dialed) < dialEvery {
		return false
	}
	s.dialed = time.Now()
	return true
}

func (s *seats) leave(g *guest) {
	s.mu.Lock()
	in := s.guests[g]
	delete(s.guests, g)
	s.mu.Unlock()
	if in != nil {
		in.place.Leave()
	}
}

// look finds out who has carried anything worth a seat since the last look.
func (s *seats) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < seatLook {
		return
	}
	s.looked = time.Now()
	for g, in := range s.guests {
		if n := g.bytes.Load(); n-in.seen >= seatPayload {
			in.seen = n
			in.place.Touch()
		}
	}
}
