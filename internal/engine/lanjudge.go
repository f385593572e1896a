package engine

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// lanJudge keeps to the network here what is said on it. A packet counts if it was sent to the group, which routers do not let
// through, from an address of a network that the machine is in; so nobody beyond a router is heard, and nobody speaks for an
// address beyond one. Each source, and all together, are heard only so often.
type lanJudge struct {
	now   func() time.Time
	links func() []lanLink // of this machine, now

	mu      sync.Mutex
	at      time.Time
	known   []lanLink
	all     *rate.Limiter
	sources map[netip.Addr]*rate.Limiter
}

// lanLink is one address of an interface, and the network it is in.
type lanLink struct {
	index int // of the interface
	net   netip.Prefix
}

// lanPacket is how one came.
type lanPacket struct {
	from   netip.AddrPort
	to     netip.Addr // what it was sent to
	index  int        // of the interface
	silent bool       // the system says neither of the last two: Windows
}

// lanLinksLast is how long a list of the machine's addresses is used: one that is new is waited for no longer.
const lanLinksLast = 2 * time.Second

func newLANJudge() *lanJudge {
	return &lanJudge{now: time.Now, links: ownLinks, all: rate.NewLimiter(lanAll, lanAllBurst), sources: map[netip.Addr]*rate.Limiter{}}
}

// takes says whether a packet to group is looked at.
func (j *lanJudge) takes(p lanPacket, group netip.Addr) bool {
	from := p.from.Addr().Unmap().WithZone("")
	if !p.silent && (p.index == 0 || p.to.Unmap().WithZone("") != group) {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.onLink(from, p) {
		return false
	}
	own := j.sources[from]
	if own == nil {
		if len(j.sources) >= lanSources {
			clear(j.sources)
		}
		own = rate.NewLimiter(lanFrom, lanFromBurst)
		j.sources[from] = own
	}
	now := j.now()
	return own.AllowN(now, 1) && j.all.AllowN(now, 1)
}

// onLink says whether an address is in a network of the interface, or is this machine's own, whose packets come back by any.
func (j *lanJudge) onLink(from netip.Addr, p lanPacket) bool {
	if now := j.now(); j.at.IsZero() || now.Sub(j.at) > lanLinksLast {
		j.at, j.known = now, j.links()
	}
	for _, l := range j.known {
		if (p.silent || l.index == p.index) && l.net.Contains(from) || l.net.Addr() == from {
			return true
		}
	}
	return false
}

// ownLinks lists the networks of this machine.
func ownLinks() (out []lanLink) {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has gone
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				out = append(out, lanLink{i.Index, p})
			}
		}
	}
	return out
}
