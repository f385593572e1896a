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
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/tracker"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

// TrackerClient asks HTTP trackers; *netguard.Trackers does. from is the address of who answered, none if it is not known.
type TrackerClient interface {
	Do(*http.Request) (res *http.Response, from netip.Addr, err error)
}

// announceOnce tells one tracker of every infohash the torrent has, and books the peers it names. id is the tracker's own,
// which it gave before; empty: none.
func (t *Torrent) announceOnce(ctx context.Context, u string, event tracker.AnnounceEvent, id string) (a trackerAnswer, err error) {
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
	if event == tracker.Completed && left > 0 {
		event = tracker.None
	}
	for _, short := range t.shorts() {
		req := announce{AnnounceRequest: tracker.AnnounceRequest{
			InfoHash: short, PeerId: t.e.client.PeerID(), Port: uint16(t.e.Port()), Key: t.e.key,
			Uploaded: up, Downloaded: down, Left: left, Event: event, NumWant: trackerMaxPeers,
		}, id: id, partial: t.partial()}
		if event == tracker.Stopped {
			req.NumWant = 0
		}
		var from netip.Addr
		if a, from, err = ask(ctx, *to, req); errors.Is(err, context.DeadlineExceeded) {
			err = errSilent
		}
		// Trackers say back the key that they do not know.
		if said, ok := errors.AsType[*refusal](err); ok {
			said.reason = webaddr.Conceal(said.reason, u)
		}
		a.warning = webaddr.Conceal(a.warning, u)
		if err != nil {
			return a, err
		}
		for _, peer := range a.peers {
			t.named(peer, from, torrent.PeerSourceTracker)
		}
		t.lookUp(ctx, a.names, from)
	}
	return a, nil
}

// errSilent is a tracker of which nothing is heard.
var errSilent net.Error = silentError{}

type silentError struct{}

func (silentError) Error() string   { return fmt.Sprintf("it does not answer within %v", trackerTimeout) }
func (silentError) Timeout() bool   { return true }
func (silentError) Temporary() bool { return true }

// announce is what a tracker is told.
type announce struct {
	tracker.AnnounceRequest
	id      string // the tracker's own; empty: none
	partial bool   // see partial.go
}

// lookUp books the peers that a tracker at from calls by their names, as far as what the names stand for may be dialled.
func (t *Torrent) lookUp(ctx context.Context, names []namedPeer, from netip.Addr) {
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	asked := panics.Group{Failed: func(bug *panics.Error) { t.e.fault("looking up the peers of a tracker", bug) }}
	for _, n := range names {
		asked.Start(func() {
			ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", n.host)
			if err != nil {
				t.e.settings.Log.Debug("a peer of a tracker has a name that is not found", "name", n.host, "err", err)
				return
			}
			for _, ip := range ips[:min(len(ips), namedAddrs)] {
				t.named(netip.AddrPortFrom(ip.Unmap().WithZone(""), n.port), from, torrent.PeerSourceTracker)
			}
		})
	}
	_ = asked.Wait() // the others are booked
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
func (e *Engine) announceHTTP(ctx context.Context, to url.URL, r announce) (a trackerAnswer, from netip.Addr, err error) {
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
	b, rerr := io.ReadAll(io.LimitReader(res.Body, trackerMaxAnswer+1))
	if len(b) > trackerMaxAnswer {
		return a, from, fmt.Errorf("the answer has more than %d bytes", trackerMaxAnswer)
	}
	a, err = parseAnswer(b)
	if rerr != nil && (err == nil && len(a.peers)+len(a.names) == 0 || errors.Is(err, errNoAnswer)) { // a length that is wrong costs no peers
		return trackerAnswer{}, from, fmt.Errorf("reading the answer: %w", rerr)
	}
	if res.StatusCode != http.StatusOK && (err == nil || errors.Is(err, errNoAnswer)) {
		return trackerAnswer{}, from, &refusal{code: res.StatusCode, retryIn: retryAfter(res.Header.Get("Retry-After"))}
	}
	return a, from, err
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0: there is none.
func retryAfter(s string) time.Duration {
	if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
		return upTo(n, time.Second)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(time.Until(at), 0), trackerMost)
	}
	return 0
}

// announceQuery is an announce as BEP 3, 7 and 23 write it.
func announceQuery(r announce) string {
	q := url.Values{
		"info_hash": {string(r.InfoHash[:])}, "peer_id": {string(r.PeerId[:])}, "key": {strconv.Itoa(int(r.Key))},
		"port": {strconv.Itoa(int(r.Port))}, "uploaded": {strconv.FormatInt(r.Uploaded, 10)}, "downloaded": {strconv.FormatInt(r.Downloaded, 10)},
		"left": {strconv.FormatInt(r.Left, 10)}, "numwant": {strconv.Itoa(int(r.NumWant))}, "compact": {"1"}, "supportcrypto": {"1"},
	}
	switch {
	case r.Event != tracker.None:
		q.Set("event", r.Event.String())
	case r.partial: // BEP 21; UDP has no way to say it
		q.Set("event", "paused")
	}
	if r.id != "" {
		q.Set("trackerid", r.id)
	}
	// Binary values as trackers read them: a plus is not a space to all of them.
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}
