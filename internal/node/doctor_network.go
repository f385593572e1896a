package node

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/doctor"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/netguard"
	"github.com/p2pshare/p2pshare/internal/panics"
)

const (
	// dialOwn is how long a connection to this machine may take: one that takes longer is dropped on the way.
	dialOwn = 2 * time.Second
	// maxOwn bounds the addresses of this machine that are tried: a host of containers has hundreds.
	maxOwn = 8
	// dhtWait is how long the DHT may take for its first nodes.
	dhtWait  = 10 * time.Second
	dhtEvery = 200 * time.Millisecond

	// maxSites bounds the trackers and web seeds that are asked, sitesAtOnce how many at a time.
	maxSites    = 24
	sitesAtOnce = 6
	siteWait    = 5 * time.Second
)

// port tries the port from this machine, which shows a firewall of its own, and asks who else came in.
func (x *examination) port(ctx context.Context) error {
	e := x.n.running()
	if e == nil {
		return nil
	}
	p := doctor.Port{Number: e.Port(), Came: e.Arrivals(), Loopback: loopback(x.n.opts.Network.ListenHost)}
	if !p.Loopback {
		for _, ip := range ownAddresses(x.n.opts.Network.ListenHost) {
			p.Public = p.Public || netguard.Public(ip)
			t := doctor.Try{Addr: ip.String()}
			d := net.Dialer{Timeout: dialOwn}
			c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(p.Number)))
			if err == nil {
				c.Close()
			} else {
				t.Err = plainly(err)
			}
			p.Tries = append(p.Tries, t)
		}
		if !p.Public && p.Came == 0 && !x.n.opts.Network.NoUPnP {
			var err error
			if p.Router, err = engine.FindRouter(ctx); err != nil {
				return err
			}
		}
	}
	x.facts.Port = p
	return nil
}

// ownAddresses are those of this machine that others could connect to; only, if it is an address, alone.
func ownAddresses(only string) (out []netip.Addr) {
	if ip, err := netip.ParseAddr(only); err == nil && !ip.IsUnspecified() {
		return []netip.Addr{ip}
	}
	all, _ := net.Interfaces() // none is a finding
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue // its addresses are not this machine's now
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap().IsGlobalUnicast() && len(out) < maxOwn {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}

func (x *examination) lan(ctx context.Context) error {
	l := doctor.LAN{Off: x.n.opts.Network.NoLAN}
	heard, err := engine.ProbeLAN(ctx)
	for _, i := range heard {
		l.Interfaces = append(l.Interfaces, doctor.Interface(i))
	}
	x.facts.LAN = l
	return err
}

// dht waits for the first nodes if the engine was started for this alone.
func (x *examination) dht(ctx context.Context) error {
	e := x.n.running()
	if e == nil || !e.HasDHT() {
		x.facts.DHT = doctor.DHT{Off: true}
		return nil
	}
	begun := x.now
	if k := x.n.keeper; k != nil {
		begun = k.started
	}
	tick := time.NewTicker(dhtEvery)
	defer tick.Stop()
	for e.DHTNodes() == 0 && time.Since(begun) < dhtWait {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	x.facts.DHT = doctor.DHT{Nodes: e.DHTNodes(), For: time.Since(begun)}
	return nil
}

// site is a tracker or web seed to ask.
type site struct {
	doctor.Site
	ask  string // the URL; empty: it cannot be asked so, and err is what the engine met
	host string // that it names
	one  bool   // it is one file, and must be there
	err  error
}

// sites asks trackers and web seeds on the web whether they are there, and what time it is. What UDP trackers
// answered is known from those that announce.
func (x *examination) sites(ctx context.Context) error {
	list := x.siteList()
	var mu sync.Mutex
	client := x.n.guard.Client()
	defer client.CloseIdleConnections()
	var group errgroup.Group
	group.SetLimit(sitesAtOnce)
	for i := range list {
		group.Go(panics.Caught(func() error {
			s := &list[i]
			if s.ask == "" {
				if s.err != nil {
					s.Err = plainly(s.err)
				}
				return nil
			}
			reading, err := askSite(ctx, client, s.ask, s.one)
			if err = cmp.Or(err, s.err); err != nil { // it may be there, and refuse our announces
				s.Err = plainly(err)
			}
			if reading != nil {
				mu.Lock()
				x.facts.Clock.Readings = append(x.facts.Clock.Readings, *reading)
				mu.Unlock()
			}
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, s := range list {
		x.facts.Sites = append(x.facts.Sites, s.Site)
	}
	return nil
}

// siteList names each tracker and web seed once, those of shares that do not move first.
func (x *examination) siteList() (list []site) {
	seen := map[string]bool{}
	add := func(s site, u string) {
		if seen[u] || len(list) >= maxSites {
			return
		}
		seen[u] = true
		s.URL = hostOnly(u)
		if p, err := url.Parse(u); err == nil {
			s.host = p.Hostname()
		}
		if strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://") {
			s.ask = u
		} else if s.err == nil {
			return // a UDP tracker that nobody complains of
		}
		list = append(list, s)
	}
	for _, u := range x.n.opts.Network.Trackers {
		add(site{}, u)
	}
	cases := slices.Clone(x.cases)
	slices.SortStableFunc(cases, func(a, b patient) int { return cmp.Compare(moves(a.share), moves(b.share)) })
	for _, p := range cases {
		for _, u := range append(slices.Clone(p.ref.Trackers), p.rec.Announce...) {
			add(site{Site: doctor.Site{Share: p.share.Name}, err: p.failing[u]}, u)
		}
		for _, u := range p.ref.WebSeeds {
			s := site{Site: doctor.Site{WebSeed: true, Share: p.share.Name}}
			if p.share.Files == 1 && !strings.HasSuffix(u, "/") {
				s.one = true
			}
			add(s, u)
		}
	}
	return list
}

func moves(s Share) int {
	if s.Up+s.Down > 0 {
		return 1
	}
	return 0
}

// askSite asks for the head of u. Whatever a server answers says that it is there; only of a single file is it
// asked that it be found.
func askSite(ctx context.Context, client *http.Client, u string, one bool) (*doctor.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, siteWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return certificateTime(u, err), err
	}
	res.Body.Close()
	reading := dated(u, res.Header.Get("Date"))
	switch code := res.StatusCode; {
	case code >= 500 && code != http.StatusNotImplemented,
		one && code >= 400 && code != http.StatusMethodNotAllowed && code != http.StatusNotImplemented:
		return reading, fmt.Errorf("it answers %s", res.Status)
	}
	return reading, nil
}

func dated(u, date string) *doctor.Reading {
	at, err := http.ParseTime(date)
	if err != nil {
		return nil
	}
	return &doctor.Reading{From: hostOnly(u), Ahead: time.Since(at).Round(time.Second)}
}

// certificateTime reads the time off a certificate that is not valid yet: our clock is before it by so much at
// least.
func certificateTime(u string, err error) *doctor.Reading {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired || !time.Now().Before(invalid.Cert.NotBefore) {
		return nil
	}
	return &doctor.Reading{From: "the certificate of " + hostOnly(u), Ahead: time.Until(invalid.Cert.NotBefore) * -1}
}

// hostOnly shows where a URL goes without what may be secret in it.
func hostOnly(u string) string {
	p, err := url.Parse(u)
	if err != nil || p.Host == "" {
		return "one that is malformed"
	}
	return p.Scheme + "://" + p.Host
}

// plainly takes the frames off an error of the network that only repeat what the sentence around it says.
func plainly(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		err = op.Err
	}
	return err.Error()
}
