package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

const (
	// routerTime is what a router has for an answer over HTTP, routerBytes the longest one: a description takes some 10 KiB.
	routerTime  = 5 * time.Second
	routerBytes = 256 << 10
)

// The UPnP library (v0.1.4) asks whoever answers its search by http.DefaultClient, which has neither a time limit nor a
// bound for the answer, follows redirects, and goes wherever the answer points. Anybody on the network can answer. Nothing
// else here uses that client.
func init() { http.DefaultClient = routerClient(onNetwork) }

// routerClient asks devices at the addresses that are on this machine's network.
func routerClient(on func(netip.Addr) bool) *http.Client {
	d := &net.Dialer{Timeout: routerTime, ControlContext: func(_ context.Context, _, addr string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			return err
		}
		if ip := at.Addr().Unmap().WithZone(""); !on(ip) {
			return fmt.Errorf("refused to ask %v for a port: no router of this network is there", ip)
		}
		return nil
	}}
	return &http.Client{
		Timeout:   routerTime,
		Transport: boundedAnswers{&http.Transport{DialContext: panics.Dial(d.DialContext), DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10, DisableCompression: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a router that sends elsewhere is not followed")
		},
	}
}

// onNetwork says whether an address is in a network of this machine, and another machine's.
func onNetwork(ip netip.Addr) bool {
	on := false
	for _, l := range ownLinks() {
		if l.net.Addr() == ip || ip.IsLoopback() {
			return false
		}
		on = on || l.net.Contains(ip)
	}
	return on
}

// boundedAnswers ends answers that are too long, as if the connection had.
type boundedAnswers struct{ http.RoundTripper }

func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, routerBytes), body}
	return resp, nil
}
