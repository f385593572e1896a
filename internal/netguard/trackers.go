package netguard

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
)

// errLaxProxy is returned for a proxy whose certificate would not be verified either.
var errLaxProxy = errors.New("a tracker whose certificate is not verified cannot be used through an https proxy")

// Trackers sends requests to HTTP trackers. It applies the same rules as Guard.Client, keeps no connections, and does
// not verify the certificates of Options.InsecureTrackers, but does verify those of other hosts that they redirect to.
type Trackers struct {
	guard       *Guard
	strict, lax *http.Transport
}

// Trackers returns a client for HTTP trackers.
func (g *Guard) Trackers() *Trackers {
	strict := g.Transport()
	strict.DisableKeepAlives = true // some trackers keep connections open for ever
	lax := strict.Clone()
	lax.TLSClientConfig.InsecureSkipVerify = true
	lax.Proxy = func(req *http.Request) (*url.URL, error) {
		u, err := g.proxyFor(req)
		if err == nil && u != nil && u.Scheme == "https" {
			return nil, errLaxProxy
		}
		return u, err
	}
	return &Trackers{g, strict, lax}
}

// Do sends a request. from is the address of the server that answered, after redirects; it is invalid if that is not
// known because the request went through a proxy by name. The caller closes the body.
func (t *Trackers) Do(req *http.Request) (res *http.Response, from netip.Addr, err error) {
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		from = netip.Addr{}
		if at, err := netip.ParseAddrPort(i.Conn.RemoteAddr().String()); err == nil {
			from = at.Addr().Unmap()
		}
	}}
	client := http.Client{Transport: t, CheckRedirect: t.guard.CheckRedirect}
	res, err = client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			err = fmt.Errorf("%w; if this tracker is yours, use --insecure-tracker %s", err, req.URL.Hostname())
		}
		return nil, netip.Addr{}, err
	}
	if proxy, err := t.guard.proxyFor(res.Request); err != nil || proxy != nil {
		from, _ = netip.ParseAddr(res.Request.URL.Hostname())
	}
	return res, from, nil
}

// RoundTrip chooses the transport for each hop of a redirect. It is for Do.
func (t *Trackers) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.guard.lax[canonical(req.URL.Hostname())] {
		return t.lax.RoundTrip(req)
	}
	return t.strict.RoundTrip(req)
}
