package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/tracker"
	trHttp "github.com/anacrolix/torrent/tracker/http"
)

const (
	trackerTimeout   = 20 * time.Second
	trackerFirstWait = 5 * time.Second  // after the first failure; doubles
	trackerMaxWait   = 30 * time.Minute // between announces, whatever the tracker says
	trackerMinWait   = 5 * time.Second
	stoppedTimeout   = 2 * time.Second // Close waits this long for trackers to hear "stopped"
)

// announceTier keeps one tier (BEP 12) told of us until ctx ends: its trackers are tried in random
// order, one that answers moves to the front, and the next is asked only when those before it fail.
func (t *Torrent) announceTier(ctx context.Context, tier []string) {
	tier = append([]string(nil), tier...)
	rand.Shuffle(len(tier), func(i, j int) { tier[i], tier[j] = tier[j], tier[i] })
	event := tracker.Started
	told := ""
	failures := 0
	done := t.completed()
	defer func() {
		t.mu.Lock()
		moved := t.moved
		t.mu.Unlock()
		if told != "" && !moved {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stoppedTimeout)
			defer cancel()
			_, _ = t.announceOnce(stop, told, tracker.Stopped)
		}
	}()
	for {
		wait := min(trackerFirstWait<<min(failures, 10), trackerMaxWait)
		failed := true
		for i, u := range tier {
			res, err := t.announceOnce(ctx, u, event)
			if ctx.Err() != nil {
				return
			}
			t.noteTracker(u, err)
			if err != nil {
				continue
			}
			copy(tier[1:i+1], tier[:i])
			tier[0] = u
			told, event, failed, failures = u, tracker.None, false, 0
			wait = min(max(time.Duration(res.Interval)*time.Second, trackerMinWait), trackerMaxWait)
			if t.hungry() {
				// Nobody to fetch from: ask again before the interval, at the rate that a tracker's
				// minimum interval commonly allows.
				wait = min(wait, time.Minute)
			}
			break
		}
		if failed {
			failures++
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-done:
			timer.Stop()
			done = nil
			if event == tracker.None {
				event = tracker.Completed
			}
		}
	}
}

// announceOnce tells one tracker of every infohash the torrent has, and books the peers it names.
func (t *Torrent) announceOnce(ctx context.Context, u string, event tracker.AnnounceEvent) (res tracker.AnnounceResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, trackerTimeout)
	defer cancel()
	s := t.e.settings
	cl, err := tracker.NewClient(u, tracker.NewClientOpts{
		Http:         trHttp.NewClientOpts{Proxy: http.ProxyFromEnvironment, DialContext: s.Dial},
		ListenPacket: t.e.listenTracker(u),
		Slogger:      s.Log,
	})
	if err != nil {
		return res, err
	}
	defer cl.Close()
	up, down, left := t.announceCounts()
	for _, short := range t.shorts() {
		res, err = cl.Announce(ctx, tracker.AnnounceRequest{
			InfoHash: short, PeerId: t.e.client.PeerID(), Port: uint16(t.e.Port()), Key: t.e.key,
			Uploaded: up, Downloaded: down, Left: left, Event: event, NumWant: trackerMaxPeers,
		}, tracker.AnnounceOpt{UserAgent: "p2pshare/" + s.Version})
		if err != nil {
			return res, err
		}
		for i, p := range res.Peers {
			if ap, ok := peerAddr(p.IP, p.Port); ok && i < trackerMaxPeers && plausible(ap, trackerIP(u)) {
				t.book.add(ap.String(), torrent.PeerSourceTracker)
			}
		}
	}
	return res, nil
}

// trackerIP is the address in a tracker's URL, nil if it has a name.
func trackerIP(u string) net.IP {
	return net.ParseIP(trackerHost(u))
}

func trackerHost(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return ""
	}
	return p.Hostname()
}

// listenTracker gives the client of the UDP tracker at u a socket that sends only where it is allowed to.
func (e *Engine) listenTracker(u string) func(network, addr string) (net.PacketConn, error) {
	return func(network, addr string) (net.PacketConn, error) {
		pc, err := net.ListenPacket(network, addr)
		if err != nil {
			return nil, err
		}
		return judgedConn{pc, trackerHost(u), e.settings.Judge}, nil
	}
}

type judgedConn struct {
	net.PacketConn
	host  string
	judge func(host string, ip netip.Addr) error
}

func (c judgedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("sending to %v: not a UDP address", to)
	}
	if err := c.judge(c.host, u.AddrPort().Addr().Unmap()); err != nil {
		return 0, err
	}
	return c.PacketConn.WriteTo(b, to)
}

// noteTracker keeps the last error of a tracker for Problems, and logs a change of mind.
func (t *Torrent) noteTracker(u string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.trackerErrs[u]
	if err == nil {
		delete(t.trackerErrs, u)
		return
	}
	if was == nil || was.Error() != err.Error() {
		t.e.settings.Log.Info("a tracker did not answer", "tracker", u, "err", err)
	}
	t.trackerErrs[u] = err
}
