package gate

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/places"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Options are what a Gate asks of the group. Judge, Dial and Log are required.
type Options struct {
	// Judge gives the account of a device that may exchange the torrent with us, or says why not, with the account if it
	// knows one: that is for the audit. It is called often, from many goroutines, and must not wait.
	Judge func(peer signed.Key, infohash [20]byte) (account string, err error)
	// One gives the infohash by which a torrent is judged and kept from who sent garbage, whichever of its two a hybrid was asked for
	// by. nil: each torrent has one.
	One func(infohash [20]byte) [20]byte
	// Dial connects to a member and proves its key.
	Dial func(ctx context.Context, addr string) (net.Conn, signed.Key, error)
	// Note is told what the audit wants to know. It must not wait. nil: nobody asks.
	Note func(Note)
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now
}

// Traffic is what passed between us and an account since the gate was made.
type Traffic struct {
	Sent, Got int64 // bytes, handshakes included
	Bad       int64 // times that it sent garbage
}

// Why a connection was refused or cut, beside what the judge says.
var (
	errClosed   = errors.New("the gate is closed")
	errBarred   = errors.New("it sent garbage lately")
	errTooMany  = errors.New("too many connections")
	errSilent   = errors.New("no handshake came")
	errOtherOne = errors.New("the answer is for another torrent")
)

// Gate is the gate of one group. Its methods may be called from any goroutine.
type Gate struct {
	o     Options
	notes *notes

	arrived chan net.Conn // judged, for the torrent client
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	judgings uint64 // counts Rechecks: a judgement from before one is not used after it
	conns    map[*conn]struct{}
	hellos   map[*conn]struct{}
	young    *places.Places[signed.Key] // theirs
	peers    map[signed.Key]*peer
	accounts map[string]*account
	bars     map[right]time.Time // until when
}

// right is what the judge is asked about.
type right struct {
	peer signed.Key
	hash [20]byte
}

// peer counts what a device has open.
type peer struct{ hellos, conns int }

// New makes a gate. Close ends it.
func New(o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.One == nil {
		o.One = func(infohash [20]byte) [20]byte { return infohash }
	}
	if o.Note == nil {
		o.Note = func(Note) {}
	}
	g := &Gate{
		o: o, notes: newNotes(o.Note, o.Now),
		arrived: make(chan net.Conn),
		conns:   map[*conn]struct{}{}, hellos: map[*conn]struct{}{}, young: places.New[signed.Key](maxHellos, maxHellosPerPeer),
		peers: map[signed.Key]*peer{}, accounts: map[string]*account{}, bars: map[right]time.Time{},
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.wg.Go(panics.Persist(g.ctx, g.tend, panics.Logged(o.Log, "the gate of a group")))
	return g
}

// Take takes a member's connection, whose key TLS has proven, and closes it some time. It returns at once.
func (g *Gate) Take(nc net.Conn, key signed.Key) {
	c := newConn(g, nc, key)
	if err := g.enter(c); err != nil {
		g.refuse(c, err)
		return
	}
	go panics.Guard(func() {
		defer g.wg.Done()
		err := g.receive(c)
		if err != nil {
			g.refuse(c, err)
			return
		}
		select {
		case g.arrived <- c:
		case <-g.ctx.Done(): // Close closes it: it is in the table
		}
	}, func(bug *panics.Error) {
		bug.Log(g.o.Log, "a connection for content", "device", key.String())
		g.leave(c)
		_ = c.hangUp() // it is closed, whatever that says
	})()
}

// Listener gives the connections that may to the torrent client. Closing it closes the gate.
func (g *Gate) Listener() net.Listener { return listener{g} }

// DialContext connects the torrent client to a member. What it sends first is judged like what comes in.
func (g *Gate) DialContext(ctx context.Context, addr string) (net.Conn, error) {
	nc, key, err := g.o.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := newConn(g, nc, key)
	c.ours = true
	if err := g.enter(c); err != nil {
		c.hangUp()
		return nil, err
	}
	g.wg.Done() // it is no goroutine of ours that shakes hands
	return c, nil
}

// Recheck judges every open connection again and cuts those that no longer may. When it returns they are closed, and no
// judgement from before it counts any more.
func (g *Gate) Recheck() {
	g.mu.Lock()
	g.judgings++
	open := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		open = append(open, c)
	}
	g.mu.Unlock()
	known := map[right]error{} // a device has many connections, but the judge is asked once
	for _, c := range open {
		r := right{c.key, c.hash}
		err, asked := known[r]
		if !asked {
			_, err = g.o.Judge(c.key, c.hash)
			known[r] = err
		}
		if err != nil {
			c.cut(err)
		}
	}
}

// Traffic is what passed so far, by account.
func (g *Gate) Traffic() map[string]Traffic {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(map[string]Traffic, len(g.accounts))
	for name, a := range g.accounts {
		out[name] = Traffic{a.sent.Load(), a.got.Load(), a.bad.Load()}
	}
	return out
}

// Conns is how many connections are open.
func (g *Gate) Conns() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// Close cuts every connection and waits for what was started.
func (g *Gate) Close() error {
	g.mu.Lock()
	g.closed = true
	var all []*conn
	for c := range g.conns {
		all = append(all, c)
	}
	for c := range g.hellos {
		all = append(all, c)
	}
	g.mu.Unlock()
	g.cancel()
	for _, c := range all {
		c.Close()
	}
	g.wg.Wait()
	g.notes.flush(true)
	return nil
}

// tend sums up notes and forgets bars that have ended, until Close.
func (g *Gate) tend() {
	tick := time.NewTicker(sumTime)
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-tick.C:
		}
		g.notes.flush(false)
		now := g.o.Now()
		g.mu.Lock()
		for r, until := range g.bars {
			if !now.Before(until) {
				delete(g.bars, r)
			}
		}
		var due []*conn
		for c := range g.conns {
			if now.Sub(c.began) >= servedEvery {
				due = append(due, c)
			}
		}
		g.mu.Unlock()
		for _, c := range due {
			c.noteServed(now, servedEvery)
		}
	}
}

// listener is the gate as the torrent client sees it.
type listener struct{ g *Gate }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.g.arrived:
		return c, nil
	case <-l.g.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error { return l.g.Close() }

func (l listener) Addr() net.Addr { return &net.TCPAddr{} }
