package netguard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// Options of a Guard. The zero value is strict and uses the environment's proxies and the system's certificates.
type Options struct {
	Allow   []string                              // hosts named by the user; see Guard.Allow
	Proxy   func(*http.Request) (*url.URL, error) // nil: http.ProxyFromEnvironment
	RootCAs *x509.CertPool                        // nil: the system's
	Lookup  LookupFunc                            // nil: the system's resolver
	Nets    []netip.Prefix                        // the user's own networks: their addresses are as good as public ones, but for those of metadata

	// InsecureTrackers are the hosts of trackers whose certificates are not verified.
	InsecureTrackers []string
}

// LookupFunc resolves a host to its addresses; network is "ip".
type LookupFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

// Guard judges addresses. Its methods are safe for concurrent use.
type Guard struct {
	proxy   func(*http.Request) (*url.URL, error)
	rootCAs *x509.CertPool
	lookup  LookupFunc
	nets    []netip.Prefix  // never changed, as the next
	lax     map[string]bool // hosts of trackers whose certificates are not verified; never changed

	mu      sync.Mutex
	allowed map[string]bool // hosts, lower case
	proxies map[string]bool // host:port of proxies in use
}

// BlockedError is returned for an address that was refused.
type BlockedError struct {
	Host string     // as given
	IP   netip.Addr // what Host resolved to
	What string     // why it is refused: "a loopback address"
}

func (e *BlockedError) Error() string {
	if e.IP.IsValid() && e.Host != e.IP.String() {
		return fmt.Sprintf("refused to connect to %q: it is at %s, %s", e.Host, e.IP, e.What)
	}
	return fmt.Sprintf("refused to connect to %q: it is %s", e.Host, e.What)
}

// RedirectError is returned for a redirect that was not followed.
type RedirectError struct {
	From, To string // URLs, redacted
	Why      string
	Err      error // a *BlockedError when the target's address is the reason, else nil
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("refused the redirect from %q to %q: %s", e.From, e.To, e.Why)
}

func (e *RedirectError) Unwrap() error { return e.Err }

// Explain wraps err with fault.Denied and a hint if a guard refused something; otherwise it returns err unchanged.
func Explain(err error) error {
	if blocked, ok := errors.AsType[*BlockedError](err); ok {
		return fault.Hint(&fault.Error{Kind: fault.Denied, Err: err},
			"if %q is a machine of yours, name it explicitly (--webseed, --tracker) or use --allow-private; for a daemon, put its network into allow-net in the configuration", blocked.Host)
	}
	if _, ok := errors.AsType[*RedirectError](err); ok {
		return &fault.Error{Kind: fault.Denied, Err: err}
	}
	return err
}

// New returns a guard.
func New(o Options) *Guard {
	g := &Guard{proxy: o.Proxy, rootCAs: o.RootCAs, lookup: o.Lookup, nets: o.Nets, lax: make(map[string]bool), allowed: make(map[string]bool), proxies: make(map[string]bool)}
	if g.proxy == nil {
		g.proxy = http.ProxyFromEnvironment
	}
	if g.lookup == nil {
		g.lookup = net.DefaultResolver.LookupNetIP
	}
	for _, h := range o.InsecureTrackers {
		host, _ := hostOf(h)
		g.lax[host] = true
	}
	g.Allow(o.Allow...)
	return g
}

// Allow permits any address for hosts that the user named. Each is a name or an IP address, which allows every port, or
// host:port or a URL, which allow only that port: a host with the user's tracker may run other services too.
func (g *Guard) Allow(hosts ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range hosts {
		if host, port := hostOf(h); host != "" {
			g.allowed[target(host, port)] = true
		}
	}
}

// Allowed reports whether the user named host, or host with this port.
func (g *Guard) Allowed(host, port string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	host = canonical(host)
	return g.allowed[host] || g.allowed[target(host, port)]
}

// Judge returns nil if connecting to ip, to which the host of addr resolved, is allowed, else a *BlockedError. addr is
// host:port.
func (g *Guard) Judge(addr string, ip netip.Addr) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("judging %q: %w", addr, err)
	}
	if g.Allowed(host, port) {
		return nil
	}
	return g.blocked(host, ip)
}

// DialContext is like net.Dialer's, but refuses what Judge refuses, for each address that is tried.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", addr, err)
	}
	d := net.Dialer{Timeout: dialTimeout}
	if !g.Allowed(host, port) && !g.isProxy(addr) {
		// Control gets the address that the socket is about to connect to: no second resolution can come between
		// the judgement and the connection.
		d.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("dial %q: %w", addr, err)
			}
			return g.blocked(host, ap.Addr())
		}
	}
	return d.DialContext(ctx, network, addr)
}

// Transport returns a new HTTP transport behind the guard. The client that uses it must use CheckRedirect too.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		Proxy:                  g.proxyFor,
		OnProxyConnectResponse: judgeProxy,
		DialContext:            panics.Dial(g.DialContext),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.rootCAs},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxHeader,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    16,
		ForceAttemptHTTP2:      true, // a custom DialContext turns it off otherwise
	}
}

// Client returns an HTTP client with Transport and CheckRedirect. It has no overall time limit.
func (g *Guard) Client() *http.Client {
	return &http.Client{Transport: g.Transport(), CheckRedirect: g.CheckRedirect}
}

// CheckRedirect is for http.Client. It refuses the sixth redirect, https to http, other schemes, and a host that is
// not public unless it is the one the chain began with: a host that a stranger's server points at was not named by the
// user for this request, even if the user named it elsewhere.
func (g *Guard) CheckRedirect(req *http.Request, via []*http.Request) error {
	last := via[len(via)-1].URL
	req.Header.Del("Referer") // a tracker's URL identifies us, and often has a key
	refuse := func(err error, why string) error {
		return &RedirectError{From: webaddr.RedactURL(last.String()), To: webaddr.RedactURL(req.URL.String()), Why: why, Err: err}
	}
	if len(via) > maxRedirects {
		return refuse(nil, fmt.Sprintf("it is the %dth in a row", len(via)))
	}
	switch {
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return refuse(nil, "it is neither http nor https")
	case last.Scheme == "https" && req.URL.Scheme == "http":
		return refuse(nil, "it leaves https")
	}
	host := req.URL.Hostname()
	if canonical(host) == canonical(via[0].URL.Hostname()) {
		return nil
	}
	if !g.Allowed(host, portOf(req.URL)) {
		return nil // the dialer will judge it
	}
	// The dialer would let this host pass because the user named it elsewhere.
	ctx, cancel := context.WithTimeout(req.Context(), resolveTimeout)
	defer cancel()
	ips, err := g.lookup(ctx, "ip", host)
	if err != nil {
		return refuse(nil, fmt.Sprintf("looking it up: %v", err))
	}
	for _, ip := range ips {
		if err := g.blocked(host, ip); err != nil {
			return refuse(err, err.Error())
		}
	}
	return nil
}

func (g *Guard) blocked(host string, ip netip.Addr) error {
	if what := notPublic(ip); what != "" && !g.own(ip) {
		return &BlockedError{Host: host, IP: ip, What: what}
	}
	return nil
}

// own reports whether an address is in a network of the user's.
func (g *Guard) own(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return metadata[ip] == "" && slices.ContainsFunc(g.nets, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// hostOf returns the canonical host of a name, an address, host:port or a URL, and the port if it has one. If there is
// no host it returns "".
func hostOf(s string) (host, port string) {
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		if err != nil {
			return "", ""
		}
		return canonical(u.Hostname()), portOf(u)
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		return canonical(host), port
	}
	return canonical(strings.Trim(s, "[]")), ""
}

// portOf returns the port that is dialled for a URL.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
}

// target is the key in Guard.allowed: a host with a port, or a host for all ports.
func target(host, port string) string {
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// canonical gives all spellings of a host the same form.
func canonical(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
