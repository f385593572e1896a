package netguard

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// ProxyError is returned if a proxy from the environment does not connect to a server. net/http would only return the
// text of the status, as if the server had sent it.
type ProxyError struct {
	Proxy string // host:port
	Code  int    // status of its answer
}

func (e *ProxyError) Error() string {
	s := fmt.Sprintf("the proxy %q answered %d %s", e.Proxy, e.Code, http.StatusText(e.Code))
	if e.Code == http.StatusProxyAuthRequired {
		s += ": it wants a user name and a password; set HTTPS_PROXY=http://NAME:PASSWORD@" + e.Proxy
	}
	return s
}

// judgeProxy returns nil if the proxy established a tunnel.
func judgeProxy(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Proxy: proxyAddr(proxy), Code: res.StatusCode}
}

func (g *Guard) proxyFor(req *http.Request) (*url.URL, error) {
	u, err := g.proxy(req)
	if err != nil || u == nil {
		return u, err
	}
	if err := g.judgeUnresolved(req.URL); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.proxies[proxyAddr(u)] = true // it comes from the environment, so it may have a private address
	g.mu.Unlock()
	return u, nil
}

// judgeUnresolved judges a host that the proxy will look up, by its name alone.
func (g *Guard) judgeUnresolved(u *url.URL) error {
	host := u.Hostname()
	if g.Allowed(host, portOf(u)) {
		return nil
	}
	refuse := func(what string) error { return &BlockedError{Host: host, What: what} }
	plain := canonical(host)
	if ip, err := netip.ParseAddr(plain); err == nil {
		return g.blocked(host, ip)
	}
	plain, err := idna.Lookup.ToASCII(plain) // digits of other scripts become ASCII
	if err != nil {
		return refuse("not a valid host name")
	}
	if ip, err := netip.ParseAddr(plain); err == nil {
		return g.blocked(host, ip)
	}
	label := plain[strings.LastIndexByte(plain, '.')+1:]
	switch {
	case label == "localhost" || label == "localdomain":
		return g.blocked(host, netip.IPv6Loopback())
	case label == "" || label[0] >= '0' && label[0] <= '9': // inet_aton accepts 2130706433, 0x7f.1 and 127.1 as addresses
		return refuse("an address in disguise")
	case !strings.Contains(plain, ".") || slices.Contains(atHome, label) || strings.HasSuffix(plain, ".home.arpa"):
		return refuse("a name of the local network")
	}
	return nil
}

// atHome are the domains whose names mean something else in every network (RFC 6762, RFC 8375, ICANN's .internal).
var atHome = []string{"internal", "intranet", "local", "lan", "home", "corp", "localnet"}

func (g *Guard) isProxy(addr string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proxies[strings.ToLower(addr)]
}

// proxyAddr returns the host:port that net/http dials for a proxy.
func proxyAddr(u *url.URL) string {
	return strings.ToLower(net.JoinHostPort(u.Hostname(), portOf(u)))
}
