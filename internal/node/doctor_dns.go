package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/doctor"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/panics"
)

const (
	// dnsWait is how long a DNS server may take: a program that looks names up gives it five seconds, and asks again.
	dnsWait = 4 * time.Second
	// maxServers bounds the DNS servers that are asked: systems use three.
	maxServers = 3
	// resolvConf is where systems but Windows say which those are.
	resolvConf = "/etc/resolv.conf"
)

// dns asks each DNS server of this machine for a name that is needed, if one is.
func (x *examination) dns(ctx context.Context) error {
	name := x.neededName()
	if name == "" {
		return nil
	}
	servers := nameServers()
	out := make([]doctor.Server, len(servers))
	var all errgroup.Group
	for i, s := range servers {
		all.Go(panics.Caught(func() error {
			out[i] = doctor.Server{Addr: s, Err: askServer(ctx, s, name)}
			return nil
		}))
	}
	err := all.Wait()
	x.facts.DNS = out
	return err
}

// neededName is one that has to be looked up; empty: everybody is known by address.
func (x *examination) neededName() string {
	var hosts []string
	if e := x.n.running(); e != nil && e.HasDHT() {
		for _, hp := range engine.Entries(x.n.opts.Network.DHTNodes) {
			host, _, _ := net.SplitHostPort(hp)
			hosts = append(hosts, host)
		}
	}
	for _, s := range x.siteList() {
		hosts = append(hosts, s.host)
	}
	for _, h := range hosts {
		if _, err := netip.ParseAddr(h); err != nil && strings.Contains(h, ".") {
			return h
		}
	}
	return ""
}

// nameServers are the DNS servers of this machine, as its programs know them; an empty one is whatever the system uses.
func nameServers() (list []string) {
	if runtime.GOOS == "windows" {
		return []string{""}
	}
	b, _ := os.ReadFile(resolvConf) // without one a server on this machine is asked
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(list) == maxServers {
			continue
		}
		if _, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, f[1])
		}
	}
	if list == nil {
		list = []string{"127.0.0.1"}
	}
	return list
}

// askServer says in words of a sentence that begins with the server what is wrong with it; empty: it answers, if only that there is
// no such name.
func askServer(ctx context.Context, server, name string) string {
	ctx, cancel := context.WithTimeout(ctx, dnsWait)
	defer cancel()
	r := net.Resolver{PreferGo: true}
	if server != "" {
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, net.JoinHostPort(server, "53"))
		}
	}
	_, err := r.LookupNetIP(ctx, "ip4", strings.TrimSuffix(name, ".")+".")
	var d *net.DNSError
	has := func(e syscall.Errno) bool { return errors.Is(err, e) || d != nil && strings.Contains(d.Err, e.Error()) } // it keeps the text alone
	switch {
	case err == nil, errors.As(err, &d) && d.IsNotFound:
		return ""
	case has(syscall.ENETUNREACH), has(syscall.EHOSTUNREACH):
		return "cannot be reached from here"
	case ctx.Err() != nil, d != nil && d.IsTimeout, has(syscall.ECONNREFUSED):
		return "does not answer"
	}
	return "answers that it cannot look up names"
}
