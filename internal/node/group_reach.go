package node

import (
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/panics"
)

// Addresses of members are the user's (--peer), a link's, or other members' word, and judged by that before they are called. A
// name is judged when it is resolved, at every call.

// toCall are the addresses of members that are called first: the user's, of the request and of the settings, and a link's.
func (s *groups) toCall(peers, hints []string) []string {
	users := slices.Concat(peers, s.n.opts.Network.Peers)
	for _, a := range users {
		s.users.Store(a, true)
	}
	return append(users, s.callable(hints)...)
}

// callable are those of the addresses of a link that may be called, as far as that can be said before they are resolved.
func (s *groups) callable(hints []string) (out []string) {
	for _, a := range hints {
		if peer, err := netip.ParseAddrPort(a); err == nil {
			if err := netguard.JudgeMember(peer, s.linkFrom()); err != nil {
				s.n.log.Info("a member of the link is not called", "why", err)
				continue
			}
		}
		out = append(out, a)
	}
	return out
}

// linkFrom is where links come from: anywhere, unless this node is on loopback alone, as in tests and demonstrations.
func (s *groups) linkFrom() netip.Addr {
	if ip, err := netip.ParseAddr(s.n.opts.Network.ListenHost); err == nil && ip.IsLoopback() {
		return ip
	}
	return netip.Addr{}
}

// caller connects to a member's address.
func (s *groups) caller(addr string) groupnet.Dialer {
	d := &net.Dialer{KeepAlive: -1}
	if _, err := netip.ParseAddrPort(addr); err == nil {
		return d // it was judged by who named it
	}
	if _, ours := s.users.Load(addr); !ours {
		d.Control = func(_, at string, _ syscall.RawConn) error {
			peer, err := netip.ParseAddrPort(at)
			if err != nil {
				return err
			}
			return netguard.JudgeMember(peer, s.linkFrom())
		}
	}
	return d
}

// neighbours adds the members that are met to where a fetch looks. A name may stand for another address the next time, and is judged
// as a link's.
func (m *member) neighbours(r *FetchRequest) {
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd == nil {
		return
	}
	for _, nb := range crowd.Neighbours() {
		if _, err := netip.ParseAddrPort(nb.Addr); err == nil {
			r.Peers = append(r.Peers, nb.Addr)
		} else {
			r.Linked = append(r.Linked, nb.Addr)
		}
	}
}

// nobodyYet is after how long a search for members says what it needs.
const nobodyYet = 10 * time.Second

// lookingFor says that a member is looked for, and after a while what that takes. To end it is to say no more.
func (m *member) lookingFor(on func(Event)) (end func()) {
	tell(on, "looking for a member of the group")
	timer := time.AfterFunc(nobodyYet, panics.Guard(func() {
		tell(on, "no member answers yet: one has to be online, and on this network or reachable; --peer HOST:PORT names the address of one")
	}, panics.Logged(m.s.n.log, "looking for a member")))
	return func() { timer.Stop() }
}
