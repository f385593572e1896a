package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// trackerPort is the tracker's port at the hub.
const trackerPort = 6969

// tracker is where the programs of one run find each other (BEP 3, BEP 23). It also shows when a seeder is ready, in the same
// way for every program: when it announces that it has nothing left to get.
type tracker struct {
	mu     sync.Mutex
	swarms map[string]map[netip.AddrPort]bool // by raw infohash
	whole  map[netip.Addr]chan struct{}       // closed when the host announces left=0
}

func newTracker() *tracker {
	return &tracker{swarms: map[string]map[netip.AddrPort]bool{}, whole: map[netip.Addr]chan struct{}{}}
}

// serve answers on l until stop is called, which waits for the end.
func (t *tracker) serve(l net.Listener) (stop func()) {
	s := &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // ErrServerClosed; other errors show as incomplete runs
	}()
	return func() {
		_ = s.Close()
		<-ended
	}
}

// forget empties the table for the next run.
func (t *tracker) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.swarms)
	clear(t.whole)
}

// ready waits until a host has announced that it has everything.
func (t *tracker) ready(ctx context.Context, host string, gone <-chan struct{}) error {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	select {
	case <-t.seed(a):
		return nil
	case <-gone:
		return errors.New("the seeder ended before it was ready")
	case <-ctx.Done():
		return fmt.Errorf("waiting for the seeder to announce: %w", ctx.Err())
	}
}

func (t *tracker) seed(a netip.Addr) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.whole[a]
	if c == nil {
		c = make(chan struct{})
		t.whole[a] = c
	}
	return c
}

func (t *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	port, perr := strconv.ParseUint(q.Get("port"), 10, 16)
	from, aerr := netip.ParseAddrPort(r.RemoteAddr)
	w.Header().Set("Content-Type", "text/plain")
	if err != nil || perr != nil || aerr != nil || len(q.Get("info_hash")) != 20 {
		fmt.Fprint(w, "d14:failure reason12:bad announcee")
		return
	}
	me := netip.AddrPortFrom(from.Addr().Unmap(), uint16(port))
	event := q.Get("event")
	peers := t.announce(q.Get("info_hash"), me, event == "stopped")
	if q.Get("left") == "0" && event != "stopped" {
		c := t.seed(me.Addr())
		t.mu.Lock()
		select {
		case <-c:
		default:
			close(c)
		}
		t.mu.Unlock()
	}
	fmt.Fprintf(w, "d8:completei1e10:incompletei1e8:intervali5e12:min intervali2e5:peers%d:%se", len(peers), peers)
}

// announce records a peer and returns the others in compact form.
func (t *tracker) announce(infohash string, me netip.AddrPort, stopped bool) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	swarm := t.swarms[infohash]
	if swarm == nil {
		swarm = map[netip.AddrPort]bool{}
		t.swarms[infohash] = swarm
	}
	if stopped {
		delete(swarm, me)
	} else if me.Port() != 0 {
		swarm[me] = true
	}
	var out strings.Builder
	for p := range swarm {
		if p != me && p.Addr().Is4() {
			a := p.Addr().As4()
			out.Write(a[:])
			out.Write(binary.BigEndian.AppendUint16(nil, p.Port()))
		}
	}
	return out.String()
}
