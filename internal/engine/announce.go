package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/tracker"
)

// TrackerClient asks HTTP trackers; *netguard.Trackers does. from is the address of who answered, none if it is not known.
type TrackerClient interface {
	Do(*http.Request) (res *http.Response, from netip.Addr, err error)
}

// announceOnce tells one tracker of every infohash the torrent has, and books the peers it names.
func (t *Torrent) announceOnce(ctx context.Context, u string, event tracker.AnnounceEvent) (a trackerAnswer, err error) {
	leave, err := t.announceTurn(ctx)
	if err != nil {
		return a, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, trackerTimeout)
	defer cancel()
	to, err := url.Parse(u)
	if err != nil {
		return a, err
	}
	ask := t.e.announceHTTP
	if to.Scheme == "udp" {
		ask = t.e.announceUDP
	}
	up, down, left := t.announceCounts()
	for _, short := range t.shorts() {
		req := tracker.AnnounceRequest{
			InfoHash: short, PeerId: t.e.client.PeerID(), Port: uint16(t.e.Port()), Key: t.e.key,
			Uploaded: up, Downloaded: down, Left: left, Event: event, NumWant: trackerMaxPeers,
		}
		var from netip.Addr
		if a, from, err = ask(ctx, *to, req); err != nil {
			return a, err
		}
		for _, peer := range a.peers {
			t.named(peer, from, torrent.PeerSourceTracker)
		}
	}
	return a, nil
}

// announceTurn waits until the torrent, and then the engine, has a place for one more announce. Waiters take turns, so
// that a torrent with a hundred trackers is not in the way of the others for long.
func (t *Torrent) announceTurn(ctx context.Context) (leave func(), err error) {
	for _, places := range []chan struct{}{t.announcing, t.e.announcing} {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			if places == t.e.announcing {
				<-t.announcing
			}
			return nil, ctx.Err()
		}
	}
	return func() { <-t.e.announcing; <-t.announcing }, nil
}

// announceHTTP asks an HTTP tracker (BEP 3).
func (e *Engine) announceHTTP(ctx context.Context, to url.URL, r tracker.AnnounceRequest) (a trackerAnswer, from netip.Addr, err error) {
	query := announceQuery(r)
	if to.RawQuery != "" {
		query = to.RawQuery + "&" + query // some trackers want theirs first
	}
	to.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return a, from, err
	}
	req.Header.Set("User-Agent", "p2pshare/"+e.settings.Version)
	res, from, err := e.settings.Trackers.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // it has the whole query
		}
		return a, from, err
	}
	defer res.Body.Close()
	// What is compressed is counted as it comes out.
	b, err := io.ReadAll(io.LimitReader(res.Body, trackerMaxAnswer+1))
	switch {
	case err != nil:
		return a, from, fmt.Errorf("reading the answer: %w", err)
	case len(b) > trackerMaxAnswer:
		return a, from, fmt.Errorf("the answer has more than %d bytes", trackerMaxAnswer)
	}
	a, err = parseAnswer(b)
	if res.StatusCode != http.StatusOK && (err == nil || errors.Is(err, errNoAnswer)) {
		return trackerAnswer{}, from, fmt.Errorf("the tracker answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	return a, from, err
}

// announceQuery is an announce as BEP 3, 7 and 23 write it.
func announceQuery(r tracker.AnnounceRequest) string {
	q := url.Values{
		"info_hash": {string(r.InfoHash[:])}, "peer_id": {string(r.PeerId[:])}, "key": {strconv.Itoa(int(r.Key))},
		"port": {strconv.Itoa(int(r.Port))}, "uploaded": {strconv.FormatInt(r.Uploaded, 10)}, "downloaded": {strconv.FormatInt(r.Downloaded, 10)},
		"left": {strconv.FormatInt(r.Left, 10)}, "numwant": {strconv.Itoa(int(r.NumWant))}, "compact": {"1"}, "supportcrypto": {"1"},
	}
	if r.Event != tracker.None {
		q.Set("event", r.Event.String())
	}
	// Binary values as trackers read them: a plus is not a space to all of them.
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

// announceUDP asks a UDP tracker (BEP 15), whose answers are no longer than a packet.
func (e *Engine) announceUDP(ctx context.Context, to url.URL, r tracker.AnnounceRequest) (a trackerAnswer, from netip.Addr, err error) {
	var asked atomic.Pointer[net.UDPAddr]
	cl, err := tracker.NewClient(to.String(), tracker.NewClientOpts{ListenPacket: e.listenTracker(to.Host, &asked), Slogger: e.settings.Log})
	if err != nil {
		return a, from, err
	}
	defer cl.Close()
	res, err := cl.Announce(ctx, r, tracker.AnnounceOpt{})
	if err != nil {
		return a, from, err
	}
	if at := asked.Load(); at != nil {
		from = at.AddrPort().Addr().Unmap()
	}
	a.interval = time.Duration(res.Interval) * time.Second
	for _, p := range res.Peers[:min(len(res.Peers), trackerMaxPeers)] {
		if ip, ok := netip.AddrFromSlice(p.IP); ok {
			a.add(ip, int64(p.Port))
		}
	}
	return a, from, nil
}

// listenTracker gives the client of the UDP tracker at host:port a socket that sends only where it is allowed to, and hears
// only whom it has asked.
func (e *Engine) listenTracker(addr string, asked *atomic.Pointer[net.UDPAddr]) func(network, addr string) (net.PacketConn, error) {
	return func(network, at string) (net.PacketConn, error) {
		pc, err := net.ListenPacket(network, at)
		if err != nil {
			return nil, err
		}
		return judgedConn{pc, addr, e.settings.Judge, asked}, nil
	}
}

type judgedConn struct {
	net.PacketConn
	addr  string
	judge func(addr string, ip netip.Addr) error
	asked *atomic.Pointer[net.UDPAddr]
}

func (c judgedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("sending to %v: not a UDP address", to)
	}
	if err := c.judge(c.addr, u.AddrPort().Addr().Unmap()); err != nil {
		return 0, err
	}
	c.asked.Store(u)
	return c.PacketConn.WriteTo(b, to)
}

func (c judgedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		at := c.asked.Load()
		if u, ok := from.(*net.UDPAddr); ok && at != nil && u.Port == at.Port && u.IP.Equal(at.IP) {
			return n, from, nil
		}
	}
}
