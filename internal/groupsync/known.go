package groupsync

import (
	"context"
	"net/netip"
	"time"
)

// Known are the addresses at which a member has answered before or none has failed to yet, in no order: more than the
// neighbours of a large group.
func (c *PeerSet) Known() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for addr, m := range c.addrs {
		if !m.good.IsZero() || m.fails == 0 {
			out = append(out, addr)
		}
	}
	return out
}

// askEvery is how often a neighbour is asked of others.
const askEvery = 5 * time.Minute

// askPeers hears from a neighbour of the members that it has met: one address is then enough to find all, without DHT and
// LAN. They are its word, and tried as such.
func (c *PeerSet) askPeers(ctx context.Context, p *Peer) bool {
	list, err := p.Peers(ctx)
	if err != nil {
		return false // it keeps up with us all the same, and may not know yet that we are a member
	}
	for _, a := range list {
		c.Heard(a.String(), false)
	}
	return true
}

// Met are the addresses at which members have answered, as IP:PORT, the latest first.
func (c *PeerSet) Met() (out []string) {
	for _, nb := range c.Neighbours() {
		if a, err := netip.ParseAddrPort(nb.Addr); err == nil {
			out = append(out, a.String())
		}
	}
	return out
}
