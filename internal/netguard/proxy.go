package netguard

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// ProxyError is a proxy of the environment that does not connect to a server. net/http alone gives but the words of
// the status, as if the server had said them.
type ProxyError struct {
	Proxy string // host:port
	Code  int    // of its answer
}

func (e *ProxyError) Error() string {
	s := fmt.Sprintf("the proxy %q answers %d %s", e.Proxy, e.Code, http.StatusText(e.Code))
	if e.Code == http.StatusProxyAuthRequired {
		s += ": it wants a name and a password, as in HTTPS_PROXY=http://NAME:PASSWORD@" + e.Proxy
	}
	return s
}

// judgeProxy is nil if a proxy made a tunnel.
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
	host := req.URL.Hostname()
	ip, err := netip.ParseAddr(host)
	if err != nil && (canonical(host) == "localhost" || strings.HasSuffix(canonical(host), ".localhost")) {
		ip, err = netip.IPv6Loopback(), nil
	}
	if err == nil {
		if err := g.Judge(host, ip); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	g.proxies[proxyAddr(u)] = true // the environment named it: it may be at home
	g.mu.Unlock()
	return u, nil
}

func (g *Guard) isProxy(addr string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proxies[strings.ToLower(addr)]
}

// proxyAddr is the host:port that net/http dials for a proxy.
func proxyAddr(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}
