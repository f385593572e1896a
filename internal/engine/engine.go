package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"github.com/anacrolix/torrent/types/infohash"

	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/places"
	"github.com/p2pshare/p2pshare/internal/shaper"
)

// ErrClosed is returned by calls on an engine or torrent that has been closed.
var ErrClosed = errors.New("the torrent client is closed")

// Engine is one torrent client on one port. Its methods may be called from any goroutine.
type Engine struct {
	settings Settings
	client   *torrent.Client
	up, down *shaper.Shaper
	zones    zones
	nobody   flows // of connections before their handshake
	port     port
	udp      *udpPort
	dht      *dhtNode    // nil with NoDHT
	lan      *lanService // nil with NoLAN

	ctx    context.Context // ends with Close: the parent of every goroutine's own
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	dialable map[*torrent.PeerConn]string // where the peers that dialled us can be dialled
	torrents map[*Torrent]struct{}
	meetings map[*Meeting]struct{}

	byShort   map[infohash.T]*Torrent
	byTorrent map[*torrent.Torrent]*Torrent
	extents   map[infohash.T]*extent   // of torrents that the client has, or is about to have
	unclaimed map[string][]*shapedConn // connections before their handshake, by remote address
	holders   map[*torrent.PeerConn]*holder
	offers    map[*torrent.PeerConn]string // where peers near us give whole pieces; see near.go

	announcing chan struct{} // places for announces of all torrents
	schedules  schedules     // of trackers

	mute   mute
	nearby *nearServer // nil in a private engine

	// Places of who is there; see sort.go and seats.go. seats are those of the parent in a private engine.
	hall, utpHall, greetings *places.Places[netip.Prefix]
	seats                    *seats

	parent  *Engine              // of a private engine
	private map[*Engine]struct{} // children, until they are closed
	members *members             // of a private engine; see private.go

	unread *unread // one for an engine and its private ones

	own      ownAddrs
	arrivals atomic.Int64 // see facts.go
	key      int32        // tells trackers that two addresses are one peer (BEP 7)
}

// New listens and starts to look for peers. The error names the address that could not be had.
func New(s Settings) (*Engine, error) {
	e := blank(s)
	hall, all := budget(cmp.Or(s.Descriptors, descriptors()))
	e.hall = places.New[netip.Prefix](hall, hall/hallShare)
	e.utpHall = places.New[netip.Prefix](utpHall, utpHallShare)
	e.greetings = places.New[netip.Prefix](mostGreetings, greetingsShare)
	e.seats = newSeats(all, s.Log)
	e.up, e.down = shaper.New(s.MaxUp, s.Log), shaper.New(s.MaxDown, s.Log)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.start(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// blank is an engine that has nothing and does nothing yet.
func blank(s Settings) *Engine {
	return &Engine{
		settings: s,
		udp:      newUDPPort(s.Log),
		dialable: map[*torrent.PeerConn]string{},
		torrents: map[*Torrent]struct{}{},
		meetings: map[*Meeting]struct{}{},
		private:  map[*Engine]struct{}{},

		byShort:   map[infohash.T]*Torrent{},
		byTorrent: map[*torrent.Torrent]*Torrent{},
		extents:   map[infohash.T]*extent{},
		unread:    &unread{owing: map[*wire]struct{}{}},
		unclaimed: map[string][]*shapedConn{},
		holders:   map[*torrent.PeerConn]*holder{},
		offers:    map[*torrent.PeerConn]string{},
		key:       rand.Int32(),

		announcing: make(chan struct{}, allAnnounces),
		schedules:  schedules{of: map[scheduleKey]*schedule{}},
	}
}

func (e *Engine) start() error {
	s := e.settings
	hosts := []string{"0.0.0.0", "::"}
	if s.ListenHost != "" {
		hosts = []string{s.ListenHost}
	}
	e.nearby = e.newNearServer()
	if err := e.listen(hosts); err != nil {
		return fmt.Errorf("listening on port %d: %w", s.Port, err)
	}
	client, err := torrent.NewClient(e.clientConfig())
	if err != nil {
		return fmt.Errorf("starting the torrent client: %w", err)
	}
	e.client = client
	e.run()
	if !s.NoDHT {
		conns, err := e.udp.dhtConns(hosts, e.Port())
		if err != nil {
			return fmt.Errorf("listening for the DHT on UDP port %d: %w", e.Port(), err)
		}
		if e.dht, err = startDHT(e.ctx, s, conns); err != nil {
			return err
		}
		for _, srv := range e.dht.servers {
			client.AddDhtServer(pingOnly{srv})
		}
	}
	if !s.NoLAN {
		// A machine without multicast still works by every other way, so this is no error.
		e.lan = startLAN(e.ctx, e.Port(), s.Log, e.onLANPeer)
	}
	return nil
}

// run gives the client its connections.
func (e *Engine) run() {
	e.wg.Go(e.persist(e.ctx, "idle connections", e.dropSeeds))
	e.wg.Go(e.persist(e.ctx, "super-seeding", e.tendSuper))
	if e.members != nil {
		e.wg.Go(e.persist(e.ctx, "bans", e.watchBans))
	}
	for _, l := range e.port.listeners {
		e.client.AddListener(l)
	}
	for _, d := range e.port.dialers {
		e.client.AddDialer(d)
	}
}

// SetLimits changes the rates of all torrents together, in bytes a second; 0: none.
func (e *Engine) SetLimits(up, down int64) {
	e.up.SetRate(up)
	e.down.SetRate(down)
}

// Port is the one that is listened on.
func (e *Engine) Port() int { return e.port.number }

// DHTNodes is how many nodes of the DHT are known to answer; 0 without one.
func (e *Engine) DHTNodes() int {
	if e.dht == nil {
		return 0
	}
	return e.dht.goodNodes()
}

// HasDHT says whether the DHT is searched.
func (e *Engine) HasDHT() bool { return e.dht != nil }

// Close drops every torrent, tells the trackers, saves the DHT's nodes and waits for all that runs.
func (e *Engine) Close() error {
	e.mu.Lock()
	ms := slices.Collect(maps.Keys(e.meetings))
	children := slices.Collect(maps.Keys(e.private))
	ts := make([]*Torrent, 0, len(e.torrents))
	for t := range e.torrents {
		ts = append(ts, t)
	}
	e.mu.Unlock()
	// At once, not in turn: each may wait a moment for its trackers to hear of it.
	closing := panics.Group{Failed: panics.Logged(e.settings.Log, "the end of a torrent")}
	for _, t := range ts {
		closing.Start(t.Close)
	}
	for _, m := range ms {
		closing.Start(m.Close)
	}
	var errs []error
	for _, c := range children {
		errs = append(errs, c.Close())
	}
	errs = append(errs, closing.Wait())
	e.mu.Lock()
	e.cancel() // see whileOpen
	e.mu.Unlock()
	if e.parent != nil {
		e.parent.mu.Lock()
		delete(e.parent.private, e)
		e.parent.mu.Unlock()
	}
	if e.dht != nil {
		errs = append(errs, e.dht.close())
	}
	if e.lan != nil {
		e.lan.close()
	}
	if e.nearby != nil {
		e.nearby.stop()
	}
	if e.client != nil {
		errs = append(errs, e.client.Close()...)
	}
	e.closeListeners()
	e.wg.Wait()
	return errors.Join(errs...)
}

// noteListenPort learns from the extension handshake (BEP 10 "p") at which port a peer that dialled us can
// be dialled: it need not be now, and can be once the connection is lost.
func (e *Engine) noteListenPort(pc *torrent.PeerConn, d *pp.ExtendedHandshakeMessage) {
	host, _, err := net.SplitHostPort(e.addrOf(pc))
	if err != nil || d.Port <= 0 || d.Port > 65535 {
		return
	}
	addr := net.JoinHostPort(host, strconv.Itoa(d.Port))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dialable[pc] = addr
	if t := e.byTorrent[pc.Torrent()]; t != nil {
		if e.members != nil {
			t.book.add(addr, torrent.PeerSourceIncoming)
		} else if at := ipOf(addr); at.IsValid() {
			t.named(netip.AddrPortFrom(at, uint16(d.Port)), at, torrent.PeerSourceIncoming)
		}
	}
}

func (e *Engine) forgetConn(pc *torrent.PeerConn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noteGone(pc)
	delete(e.dialable, pc)
	delete(e.offers, pc)
	if e.members != nil {
		e.members.look()
	}
}

// onLANPeer is told of every infohash announced on the LAN. The address is a packet's source.
func (e *Engine) onLANPeer(short [20]byte, peer netip.AddrPort) {
	if netguard.JudgePeer(peer, peer.Addr()) != nil {
		return
	}
	addr := peer.String()
	e.mu.Lock()
	if t := e.byShort[short]; t != nil && !t.Private() {
		t.book.add(addr, torrent.PeerSourceLPD)
	}
	var meet []func(string)
	for m := range e.meetings {
		if m.place == short {
			meet = append(meet, m.found)
		}
	}
	e.mu.Unlock()
	for _, found := range meet {
		found(addr)
	}
}
