package node

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/fetcher"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webseed"
)

const (
	// nearLook is how often who is connected is looked at.
	nearLook = 50 * time.Millisecond
	// nearRest is how long peers that would not give whole pieces are left alone, twice as long each time, to nearRestMost.
	nearRest     = 2 * time.Second
	nearRestMost = time.Minute

	nearDial   = 5 * time.Second
	nearAnswer = 10 * time.Second
)

// nearby fetches whole pieces from peers next to us, while the engine knows of no others; see engine/near.go. The engine is
// kept from asking for what is missing once the first have come.
type nearby struct {
	f      *fetch
	ranges []fetcher.Range
	client *http.Transport

	mu     sync.Mutex
	parked bool // the engine asks for nothing
	over   bool // the run is not worth more
	gone   bool // nor is any other
	rest   time.Duration
}

// fromNear fetches from peers next to us whenever that is possible, until ctx ends. An error is the disk's.
func (f *fetch) fromNear(ctx context.Context, ranges []fetcher.Range) error {
	n := &nearby{f: f, ranges: ranges, rest: nearRest}
	n.client = &http.Transport{
		DialContext: (&net.Dialer{Timeout: nearDial}).DialContext, ResponseHeaderTimeout: nearAnswer,
		DisableCompression: true, // and no proxy: they are on our network
	}
	defer n.client.CloseIdleConnections()
	tick := time.NewTicker(nearLook)
	defer tick.Stop()
	var until time.Time
	for !n.gone {
		if urls := f.t.Near(); len(urls) > 0 && time.Now().After(until) && n.known() {
			if err := n.run(ctx, urls); err != nil {
				return err
			}
			until = time.Now().Add(n.rest)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// known says whether every piece that is missing can be judged: the engine alone asks for a v2 torrent's hashes, with the
// pieces.
func (n *nearby) known() bool {
	whole, missing := n.f.stage.Whole(), n.missing()
	return len(missing) > 0 && !slices.ContainsFunc(missing, func(i int) bool { return !whole.Knows(i) })
}

func (n *nearby) missing() (pieces []int) {
	v := n.f.t.Standing()
	for _, r := range n.ranges {
		for i := r.Begin; i < r.End; i++ {
			if v.Missing[i] {
				pieces = append(pieces, i)
			}
		}
	}
	return pieces
}

// run asks the peers at urls as long as they are those that are connected.
func (n *nearby) run(ctx context.Context, urls []string) error {
	ctx, stop := context.WithCancel(ctx)
	watch := panics.Group{Failed: func(*panics.Error) { stop() }}
	watch.Start(func() {
		tick := time.NewTicker(nearLook)
		defer tick.Stop()
		for ctx.Err() == nil && slices.Equal(n.f.t.Near(), urls) {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		stop()
	})
	n.over = false
	o := n.f.besides(n.ranges)
	o.Near, o.Path, o.URLs, o.Swarm, o.HTTP = true, engine.NearPieces, urls, nearOf{peersOf{n.f.t}}, n.client
	o.Tell = func(message string) { n.f.n.log.Debug(message) }
	o.Answered = func(err error, gone bool) { n.answered(err, gone, stop) }
	err := webseed.Run(ctx, o)
	stop()
	err = cmp.Or(watch.Wait(), err)
	n.unpark()
	n.f.n.log.Debug("asked peers nearby for whole pieces", "name", n.f.name(), "bytes", n.f.t.Stats().Near)
	return err
}

// answered follows how requests end.
func (n *nearby) answered(err error, gone bool, stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil:
		n.gone = n.gone || gone
		if !n.over {
			n.over, n.rest = true, min(2*n.rest, nearRestMost)
		}
		stop()
	case !n.parked && !n.over:
		n.parked, n.rest = true, nearRest
		n.f.t.Reserve(n.missing(), true)
	}
}

// unpark lets the engine ask for what is missing.
func (n *nearby) unpark() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.parked {
		n.parked = false
		n.f.t.Reserve(n.missing(), false)
	}
}
