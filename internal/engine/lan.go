package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// Local service discovery (BEP 14): every member of a swarm says so to a multicast group. Ours joins
// on every interface, loopback included (two programs on one machine find each other without any
// network), and says it at once when a torrent is added, which is when it matters.
const (
	lanPort   = 6771
	lanGroup4 = "239.192.152.143"
	lanGroup6 = "ff15::efc0:988f"

	// BEP 14 asks for five minutes between announces of a swarm, and for one at most each minute. The
	// first few are closer together: multicast is lossy, and a fetch that waits a minute has failed.
	lanEvery = 5 * time.Minute
)

var lanFirst = []time.Duration{0, time.Second, 4 * time.Second, 55 * time.Second}

type lanService struct {
	port   int
	cookie string // tells our own packets when they come back; each has the number of turns behind it
	log    *slog.Logger
	onPeer func(short [20]byte, peer netip.AddrPort)
	judge  *lanJudge
	conns  []*lanConn

	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{}

	mu    sync.Mutex
	swarm map[announced]*lanSwarm
	turns int // how often we have come to a place where we want to hear of others
}

// announced is what others on the LAN are told of: a torrent, or a meeting.
type announced interface {
	shorts() [][20]byte
	Private() bool
	hungry() bool  // nobody is there, and somebody is wanted
	answers() bool // who is new has to hear of us: we do not connect to it by ourselves
}

// lanSwarm is when a torrent was, and will be, announced.
type lanSwarm struct {
	said  int
	last  time.Time
	next  time.Time
	heard map[string]time.Time // who else announces it, by address and cookie, and when it last did; of those that answer
}

const (
	// lanAnswer is how long an answer waits at most: those of a hundred machines do not come at once. lanPause is
	// between two, so that a flood of strangers' packets is answered by few.
	lanAnswer = 200 * time.Millisecond
	lanPause  = time.Second
	// lanNew is how long who was silent is new again; announces come every five minutes. lanHeard bounds whom we remember.
	lanNew   = 11 * time.Minute
	lanHeard = 1024
	// lanCookie is as much as is remembered of another's cookie: by that it is new again when it was started again, or has
	// joined again what it had left, at the same port.
	lanCookie = 40
)

// startLAN joins what groups it can. It is no error if there are none: the machine has no multicast.
func startLAN(ctx context.Context, port int, log *slog.Logger, onPeer func([20]byte, netip.AddrPort)) *lanService {
	var r [8]byte
	rand.Read(r[:])
	ctx, cancel := context.WithCancel(ctx)
	l := &lanService{
		port: port, cookie: hex.EncodeToString(r[:]), log: log, onPeer: onPeer, judge: newLANJudge(),
		cancel: cancel, wake: make(chan struct{}, 1), swarm: map[announced]*lanSwarm{},
	}
	for _, open := range []func() (*lanConn, error){openLAN4, openLAN6} {
		c, err := open()
		if err != nil {
			log.Debug("no LAN discovery in one address family", "err", err)
			continue
		}
		c.join(log)
		l.conns = append(l.conns, c)
		l.wg.Go(panics.Persist(ctx, func() { l.receive(ctx, c) }, panics.Logged(log, "hearing the local network")))
	}
	l.wg.Go(panics.Persist(ctx, func() { l.announce(ctx) }, panics.Logged(log, "announcing on the local network")))
	return l
}

func (l *lanService) add(t announced) {
	l.mu.Lock()
	l.swarm[t] = &lanSwarm{next: time.Now()}
	if t.answers() {
		l.turns++ // others take us for new again, and answer
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lanService) remove(t announced) {
	l.mu.Lock()
	delete(l.swarm, t)
	l.mu.Unlock()
}

func (l *lanService) close() {
	l.cancel()
	for _, c := range l.conns {
		c.pc.Close()
	}
	l.wg.Wait()
}

func (l *lanService) announce(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
		}
		due, next := l.due(time.Now())
		if len(due) > 0 {
			for _, c := range l.conns {
				c.join(l.log) // interfaces come and go
				for _, p := range lanPackets(c.host, l.port, l.turn(), due) {
					c.send(p, l.log)
				}
			}
		}
		timer.Reset(min(max(time.Until(next), 50*time.Millisecond), time.Minute))
	}
}

// turn is the cookie of a packet that is sent now.
func (l *lanService) turn() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%s-%d", l.cookie, l.turns)
}

// due gives the infohashes to announce now, and when the next will be due.
func (l *lanService) due(now time.Time) (shorts [][20]byte, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = now.Add(lanEvery)
	for t, s := range l.swarm {
		if t.Private() {
			continue
		}
		if !s.next.After(now) {
			shorts = append(shorts, t.shorts()...)
			s.said++
			s.last = now
			wait := lanEvery
			if s.said < len(lanFirst) {
				wait = lanFirst[s.said]
			} else if t.hungry() {
				wait = time.Minute
			}
			s.next = now.Add(wait)
		}
		if s.next.Before(next) {
			next = s.next
		}
	}
	return shorts, next
}

func (l *lanService) receive(ctx context.Context, c *lanConn) {
	buf := make([]byte, 2048)
	for {
		n, p, err := c.read(buf)
		if err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
				continue // an interface went down; the others go on
			}
		}
		if !l.judge.takes(p, c.group) {
			continue
		}
		a, ok := parseLAN(buf[:n])
		if !ok || strings.HasPrefix(a.cookie, l.cookie) {
			continue
		}
		peer := netip.AddrPortFrom(p.from.Addr().Unmap(), uint16(a.port))
		for _, short := range a.shorts {
			l.hear(short, peer.String()+" "+a.cookie[:min(len(a.cookie), lanCookie)], time.Now())
			l.onPeer(short, peer)
		}
	}
}

// hear has those that answer announced again soon, for who is new: it would hear nothing of us for five minutes.
func (l *lanService) hear(short [20]byte, from string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t, s := range l.swarm {
		if !t.answers() || !slices.Contains(t.shorts(), short) {
			continue
		}
		known := now.Sub(s.heard[from]) < lanNew
		if s.heard == nil || len(s.heard) >= lanHeard {
			s.heard = map[string]time.Time{}
		}
		s.heard[from] = now
		soon := now.Add(mathrand.N(lanAnswer))
		if pause := s.last.Add(lanPause); soon.Before(pause) {
			soon = pause
		}
		if known || s.next.Before(soon) {
			continue
		}
		s.next = soon
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// lanAnnounce is one BT-SEARCH packet.
type lanAnnounce struct {
	port   int
	shorts [][20]byte
	cookie string
}

// parseLAN reads a packet from anybody on the network. It has the form of a request of HTTP, and no more than the form: a line
// that is odd costs nothing but itself.
func parseLAN(b []byte) (a lanAnnounce, ok bool) {
	rest, is := strings.CutPrefix(string(b), "BT-SEARCH ")
	if !is {
		return a, false
	}
	for line := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "port":
			if port, err := strconv.ParseUint(value, 10, 16); err == nil && a.port == 0 {
				a.port = int(port)
			}
		case "cookie":
			a.cookie = value
		case "infohash":
			var short [20]byte
			if n, err := hex.Decode(short[:], []byte(value[:min(len(value), 40)])); err == nil && n == len(short) && len(value) == 40 &&
				len(a.shorts) < lanMaxInfohashes && !slices.Contains(a.shorts, short) {
				a.shorts = append(a.shorts, short)
			}
		}
	}
	return a, a.port > 0 && len(a.shorts) > 0
}

// lanPackets puts the infohashes into as few packets as fit lanMaxPacket.
func lanPackets(host string, port int, cookie string, shorts [][20]byte) (out [][]byte) {
	head := fmt.Sprintf("BT-SEARCH * HTTP/1.1\r\nHost: %s\r\nPort: %d\r\n", host, port)
	tail := fmt.Sprintf("cookie: %s\r\n\r\n\r\n", cookie)
	line := len("Infohash: \r\n") + 40
	each := max(1, (lanMaxPacket-len(head)-len(tail))/line)
	for some := range slices.Chunk(shorts, each) {
		b := []byte(head)
		for _, s := range some {
			b = fmt.Appendf(b, "Infohash: %X\r\n", s[:])
		}
		out = append(out, append(b, tail...))
	}
	return out
}

// lanConn is a socket in one address family, joined to its group on each interface.
type lanConn struct {
	pc     net.PacketConn
	read   func(b []byte) (n int, p lanPacket, err error)
	group  netip.Addr
	host   string
	to     *net.UDPAddr
	joinOn func(*net.Interface) error
	sendOn func(*net.Interface) error
	local  func()       // packets sent from now on stay on this machine
	joined map[int]bool // by interface index
}

func openLAN4() (*lanConn, error) {
	pc, err := listenShared("udp4", fmt.Sprintf("0.0.0.0:%d", lanPort))
	if err != nil {
		return nil, err
	}
	p := ipv4.NewPacketConn(pc)
	_ = p.SetMulticastLoopback(true)
	_ = p.SetMulticastTTL(1) // this network, no further
	silent := p.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true) != nil
	to := &net.UDPAddr{IP: net.ParseIP(lanGroup4), Port: lanPort}
	return &lanConn{
		pc: pc, group: netip.MustParseAddr(lanGroup4),
		read: func(b []byte) (n int, from lanPacket, err error) {
			n, cm, src, err := p.ReadFrom(b)
			from.silent = silent
			if cm != nil {
				from.index = cm.IfIndex
				from.to, _ = netip.AddrFromSlice(cm.Dst)
			}
			if u, ok := src.(*net.UDPAddr); ok {
				from.from = u.AddrPort()
			}
			return n, from, err
		},
		host: to.String(), to: to, joined: map[int]bool{},
		joinOn: func(i *net.Interface) error { return p.JoinGroup(i, to) },
		sendOn: p.SetMulticastInterface,
		local:  func() { _ = p.SetMulticastTTL(0) },
	}, nil
}

func openLAN6() (*lanConn, error) {
	pc, err := listenShared("udp6", fmt.Sprintf("[::]:%d", lanPort))
	if err != nil {
		return nil, err
	}
	p := ipv6.NewPacketConn(pc)
	_ = p.SetMulticastLoopback(true)
	_ = p.SetMulticastHopLimit(1)
	silent := p.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true) != nil
	to := &net.UDPAddr{IP: net.ParseIP(lanGroup6), Port: lanPort}
	return &lanConn{
		pc: pc, group: netip.MustParseAddr(lanGroup6),
		read: func(b []byte) (n int, from lanPacket, err error) {
			n, cm, src, err := p.ReadFrom(b)
			from.silent = silent
			if cm != nil {
				from.index = cm.IfIndex
				from.to, _ = netip.AddrFromSlice(cm.Dst)
			}
			if u, ok := src.(*net.UDPAddr); ok {
				from.from = u.AddrPort()
			}
			return n, from, err
		},
		host: to.String(), to: to, joined: map[int]bool{},
		joinOn: func(i *net.Interface) error { return p.JoinGroup(i, to) },
		sendOn: p.SetMulticastInterface,
		local:  func() { _ = p.SetMulticastHopLimit(0) },
	}, nil
}

// interfaces are those that are up and have multicast; loopback, too, which Linux does not mark so.
func (c *lanConn) interfaces() []net.Interface {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(i net.Interface) bool {
		return i.Flags&net.FlagUp == 0 || i.Flags&(net.FlagMulticast|net.FlagLoopback) == 0
	})
}

func (c *lanConn) join(log *slog.Logger) {
	for _, i := range c.interfaces() {
		if !c.joined[i.Index] {
			if err := c.joinOn(&i); err != nil {
				log.Debug("no LAN discovery on an interface", "interface", i.Name, "err", err)
				continue
			}
			c.joined[i.Index] = true
		}
	}
}

func (c *lanConn) send(b []byte, log *slog.Logger) {
	for _, i := range c.interfaces() {
		if err := c.sendOn(&i); err != nil {
			continue
		}
		if _, err := c.pc.WriteTo(b, c.to); err != nil {
			log.Debug("announcing on the LAN", "interface", i.Name, "err", err)
		}
	}
}
