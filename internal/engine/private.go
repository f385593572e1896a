package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// Transport is how the members of a private group reach each other. Its connections have been judged: who they are
// with may exchange the torrent of their handshake. They may be of a type with methods
//
//	Member() string  names the machine at the other end, whatever its address is
//	Garbage()        is called when what came by it did not verify
type Transport interface {
	Listener() net.Listener
	DialContext(ctx context.Context, addr string) (net.Conn, error)
}

// Why a private engine refuses a torrent.
var (
	errNoInfo     = errors.New("a private group's torrent is added with its info")
	errNotPrivate = errors.New("the info does not have the private flag (BEP 27)")
	errOutside    = errors.New("a private group's torrent has no trackers")
)

// Private starts a client for the torrents of one private group, which talk over t alone: no DHT, LAN, trackers, web
// seeds, PEX or hole punching, and no obfuscation, for t encrypts. Its torrents are private ones and come with their
// info. Rates, port number and settings are e's; e.Close closes it, if nobody did before.
//
// The client bans who sends garbage by IP address, for ever and for all torrents, and behind one address there may be
// many members. So it is shown other addresses: one for each connection that comes in, and one for each torrent and
// address that is dialled. A ban then hits what it is meant for, tells us who it was, and ends when the address is
// given another one.
func (e *Engine) Private(t Transport) (*Engine, error) {
	c := blank(e.settings)
	c.up, c.down, c.unread, c.seats = e.up, e.down, e.unread, e.seats
	c.port.number = e.Port()
	c.members = newMembers(t)
	c.ctx, c.cancel = context.WithCancel(e.ctx)
	c.port.listeners = []net.Listener{shapedListener{memberListener{t.Listener(), c, c.Port()}, c}}
	c.port.dialers = []dialer{{"tcp", c.dialMember, c}}
	conf := c.clientConfig()
	conf.DisablePEX = true
	conf.DisableWebseeds = true
	conf.NoDefaultPortForwarding = true
	conf.Extensions.SetBit(pp.ExtensionBitDht, false)
	// The gate below reads the handshake.
	conf.HeaderObfuscationPolicy = torrent.HeaderObfuscationPolicy{Preferred: false, RequirePreferred: true}
	client, err := torrent.NewClient(conf)
	if err != nil {
		c.cancel()
		return nil, fmt.Errorf("starting a private group's torrent client: %w", err)
	}
	c.client = client
	e.mu.Lock()
	closed := e.ctx.Err() != nil
	if !closed {
		e.private[c] = struct{}{}
	}
	e.mu.Unlock()
	c.parent = e
	if closed {
		c.Close()
		return nil, ErrClosed
	}
	c.run()
	return c, nil
}

// judgePrivate says why a torrent may not be added to a private engine.
func (s Spec) judgePrivate() error {
	switch {
	case s.Info == nil:
		return errNoInfo
	case len(s.Trackers) > 0:
		return errOutside
	case !isPrivate(s.Info):
		return errNotPrivate
	}
	return nil
}

func isPrivate(b []byte) bool {
	var info metainfo.Info
	err := bencode.Unmarshal(b, &info)
	return err == nil && private(info)
}

func private(info metainfo.Info) bool { return info.Private != nil && *info.Private }

// sourceMember is where a group's members come from, for the book.
const sourceMember torrent.PeerSource = "G"

// aliased gives peers the addresses that the client is to see.
func (t *Torrent) aliased(peers []torrent.PeerInfo) {
	for i, p := range peers {
		addr := p.Addr.String()
		peers[i].Addr = torrent.StringAddr(t.book.aliasOf(addr, func() string { return t.e.members.aliasFor(t, addr) }))
	}
}

// members is what a private engine knows of its connections by the addresses that the client is shown.
type members struct {
	transport Transport

	mu     sync.Mutex
	count  uint64
	dialed map[string]dialed // what an address stands for
	links  map[string]*link  // connections, open or lately closed
	gone   []*link           // closed ones, the oldest first
	wake   chan struct{}     // a connection has ended
	seen   map[string]bool   // bans that were dealt with
}

// dialed is a torrent's peer and its address.
type dialed struct {
	t    *Torrent
	addr string
}

// link is one connection.
type link struct {
	conn   net.Conn
	alias  string
	addr   string // where the peer is in truth
	member string
}

// maxGone bounds the closed connections that are remembered: a block may turn out to be wrong after its sender left.
const maxGone = 1024

// bansEvery is how often bans are looked for that came without a connection that ended.
const bansEvery = 5 * time.Second

func newMembers(t Transport) *members {
	return &members{
		transport: t, dialed: map[string]dialed{}, links: map[string]*link{},
		wake: make(chan struct{}, 1), seen: map[string]bool{},
	}
}

// alias is a new address for the client, out of a network where there is nobody (RFC 6666). m.mu is held.
func (m *members) alias() netip.AddrPort {
	m.count++
	a := netip.MustParseAddr("100::").As16()
	binary.BigEndian.PutUint64(a[8:], m.count)
	return netip.AddrPortFrom(netip.AddrFrom16(a), 1)
}

// aliasFor is a new address that stands for a torrent's peer.
func (m *members) aliasFor(t *Torrent, addr string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.alias().String()
	m.dialed[a] = dialed{t, addr}
	return a
}

// dropTorrent forgets the addresses of a torrent that was closed.
func (m *members) dropTorrent(t *Torrent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.dialed, func(_ string, to dialed) bool { return to.t == t })
}

// drop forgets an address that nothing will be dialled at any more.
func (m *members) drop(alias string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.dialed, alias)
}

// hold wraps a connection and remembers it under its address.
func (m *members) hold(at netip.AddrPort, c net.Conn, addr string) net.Conn {
	l := &link{conn: c, alias: at.String(), addr: addr, member: addr}
	if n, ok := c.(interface{ Member() string }); ok {
		l.member = n.Member()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.links[l.alias] = l
	return &memberConn{Conn: c, at: net.TCPAddrFromAddrPort(at), m: m, l: l}
}

// ended keeps a closed connection for a while.
func (m *members) ended(l *link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = append(m.gone, l)
	for len(m.gone) > maxGone {
		if old := m.gone[0]; m.links[old.alias] == old {
			delete(m.links, old.alias)
		}
		m.gone = m.gone[1:]
	}
}

// look has bans looked for.
func (m *members) look() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *members) find(alias string) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[alias]
}

// place stands for a member's machine, as machineOf does for others.
func (l *link) place() netip.Prefix {
	sum := sha256.Sum256([]byte(l.member))
	sum[0] = 0xfd // nobody's address outside (RFC 4193)
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(sum[:16])), 128)
}

// memberConn shows the client an address of ours.
type memberConn struct {
	net.Conn
	at   *net.TCPAddr
	m    *members
	l    *link
	once sync.Once
}

func (c *memberConn) RemoteAddr() net.Addr { return c.at }

func (c *memberConn) Close() error {
	c.once.Do(func() { c.m.ended(c.l) })
	return c.Conn.Close()
}

// memberListener wraps what comes in.
type memberListener struct {
	net.Listener
	e    *Engine
	port int
}

func (l memberListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		// The client would ask again at once, for as long as it lives.
		<-l.e.ctx.Done()
		return nil, err
	}
	m := l.e.members
	m.mu.Lock()
	at := m.alias()
	m.mu.Unlock()
	return m.hold(at, c, c.RemoteAddr().String()), nil
}

// Addr has the port at which members are reached.
func (l memberListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv6unspecified, Port: l.port}
}

// dialMember connects to what an address of ours stands for.
func (e *Engine) dialMember(ctx context.Context, _, alias string) (net.Conn, error) {
	m := e.members
	m.mu.Lock()
	to, ok := m.dialed[alias]
	m.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("dialling a member that is no longer one")
	}
	at, err := netip.ParseAddrPort(alias)
	if err != nil {
		return nil, err
	}
	c, err := m.transport.DialContext(ctx, to.addr)
	if err != nil {
		return nil, err
	}
	return m.hold(at, c, to.addr), nil
}

// addrOf is where a peer is in truth.
func (e *Engine) addrOf(pc *torrent.PeerConn) string {
	shown := pc.RemoteAddr.String()
	if e.members == nil {
		return e.zones.full(shown)
	}
	if l := e.members.find(shown); l != nil {
		return l.addr
	}
	return ""
}

// machineAt stands for the machine of a peer.
func (e *Engine) machineAt(pc *torrent.PeerConn) netip.Prefix {
	shown := pc.RemoteAddr.String()
	if e.members == nil {
		return machineOf(shown)
	}
	if l := e.members.find(shown); l != nil {
		return l.place()
	}
	return netip.Prefix{}
}

// watchBans tells the transport whose data was wrong, until the engine ends. The client has no callback for a ban; it
// ends the connection, or adds the address to its list when the connection is gone already.
func (e *Engine) watchBans() {
	tick := time.NewTicker(bansEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.members.wake:
		case <-tick.C:
		}
		for _, ip := range e.client.BadPeerIPs() {
			e.members.blame(ip)
		}
	}
}

// blame deals with one ban.
func (m *members) blame(ip string) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	alias := netip.AddrPortFrom(a, 1).String()
	m.mu.Lock()
	if m.seen[alias] {
		m.mu.Unlock()
		return
	}
	m.seen[alias] = true
	l, to := m.links[alias], m.dialed[alias]
	m.mu.Unlock()
	if to.t != nil {
		to.t.book.renew(to.addr)
	}
	if l == nil {
		return
	}
	if g, ok := l.conn.(interface{ Garbage() }); ok {
		g.Garbage()
	}
}
