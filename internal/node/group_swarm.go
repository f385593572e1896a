package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/audit"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/gate"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// insiders is how content of a private group moves: a torrent client of its own behind the gate, and the record of who
// came through it.
type insiders struct {
	mu     sync.Mutex
	gate   *gate.Gate         // nil: nothing moves yet
	e      *engine.Engine     // with gate
	stop   context.CancelFunc // of what runs beside them
	wg     sync.WaitGroup
	audit  *audit.Log // nil: nothing was noted yet
	ended  bool       // no client is started any more
	closed bool       // nothing is noted any more

	having  chan struct{} // held by who works out what is here for a caller
	whole   [][20]byte    // the torrents that are whole here, at wholeAt; guarded by having
	wholeAt time.Time

	indexMu sync.Mutex
	judged  *judged                        // nil: to be looked through again
	heldBy  map[[20]byte]signed.Hash       // of those that are here, the .torrent by infohash
	moving  map[[20]byte]access.Torrent    // what was fetched or served here since the start
	files   map[signed.Hash]access.Torrent // .torrents that are here, as far as they were asked for
	absent  map[signed.Hash]bool           // .torrents that were asked for and are not here
	kept    int                            // counts .torrents that have come
}

// peersEvery is how often the client is told of members that were heard of since.
const peersEvery = 2 * time.Second

// privateOf finds the private group of a torrent: by its ID, or, without one, the group whose catalog has the torrent.
func (s *groups) privateOf(m *metafile.Torrent, id string) (*member, error) {
	for _, in := range s.list() {
		switch {
		case !in.private():
		case id != "" && in.ID().String() == id, id == "" && in.lists(m):
			return in, nil
		}
	}
	return nil, errNotIn(m)
}

// lists says whether the group's catalog has a torrent.
func (m *member) lists(t *metafile.Torrent) bool {
	for _, h := range shortHashes(t) {
		if list, err := m.entriesOf(h); err == nil && len(list) > 0 {
			return true
		}
	}
	return false
}

// shortHashes are the 20 bytes that handshakes name a torrent by: the v1 infohash, and the first of the v2 one (BEP 52).
func shortHashes(t *metafile.Torrent) (out [][20]byte) {
	if t.V1 != nil {
		out = append(out, *t.V1)
	}
	if t.V2 != nil {
		out = append(out, [20]byte(t.V2[:20]))
	}
	return out
}

// insideClient is the torrent client for content of the group, which is started at the first call.
func (m *member) insideClient() (*engine.Engine, error) {
	parent, err := m.s.n.network()
	if err != nil {
		return nil, err
	}
	in := &m.insiders
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.ended:
		return nil, fault.New(fault.Failed, "the group %q is being closed", m.Name())
	case in.e != nil:
		return in.e, nil
	}
	g := gate.New(gate.Options{Judge: m.mayMove, One: m.oneHash, Dial: m.dialSwarm, Note: m.noteGate, Log: m.s.n.log})
	e, err := parent.Private(g)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the client of the group %q: %w", m.Name(), err), g.Close())
	}
	in.gate, in.e = g, e
	ctx, cancel := context.WithCancel(m.s.ctx)
	in.stop = cancel
	in.wg.Go(panics.Guard(func() { m.introduce(ctx, e) }, m.halt))
	return e, nil
}

// endPrivate ends what moves content, and writes the last of the audit.
func (m *member) endPrivate() error {
	in := &m.insiders
	in.mu.Lock()
	e, g := in.e, in.gate
	in.ended, in.e, in.gate = true, nil, nil
	in.mu.Unlock()
	var errs []error
	if e != nil {
		in.stop()
		in.wg.Wait()
		errs = append(errs, e.Close(), g.Close()) // which still has things to note
	}
	in.mu.Lock()
	l := in.audit
	in.audit, in.closed = nil, true
	in.mu.Unlock()
	if l != nil {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// takeSwarm takes a member's connection for content.
func (m *member) takeSwarm(c net.Conn, peer signed.Key) {
	m.insiders.mu.Lock()
	g := m.insiders.gate
	m.insiders.mu.Unlock()
	if g == nil {
		c.Close() // nothing of the group is shared or fetched here
		return
	}
	g.Take(c, peer)
}

// recheck cuts the connections of those who have lost the right to them.
func (m *member) recheck() {
	m.insiders.mu.Lock()
	g := m.insiders.gate
	m.insiders.mu.Unlock()
	if g != nil {
		g.Recheck()
	}
}

// dialSwarm connects to a member for content.
func (m *member) dialSwarm(ctx context.Context, addr string) (net.Conn, signed.Key, error) {
	to := m.reach(addr, m.Device())
	to.Accept = func(k signed.Key) error {
		st, err := m.State()
		if err != nil {
			return err
		}
		if k == m.Device().Public() {
			return errors.New("it is this machine")
		}
		_, err = st.Admit(k, time.Now())
		return err
	}
	return groupnet.Dial(ctx, m.s.caller(addr), to, groupnet.Swarm)
}

// mayMove is the gate's judge: whether a member's device may have the torrent, by the rules as they are now.
func (m *member) mayMove(peer signed.Key, infohash [20]byte) (string, error) {
	p, a, err := m.policyFor(peer)
	if err != nil {
		return "", err
	}
	if err := m.resting(); err != nil {
		return a.Name, err
	}
	if _, err := m.entryFor(p, &a, infohash); err != nil {
		return a.Name, err
	}
	return a.Name, nil
}

// oneHash is the v1 infohash of a hybrid that moves here, whichever of its two infohashes is asked about.
func (m *member) oneHash(infohash [20]byte) [20]byte {
	in := &m.insiders
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	if v1 := in.moving[infohash].V1; v1 != nil {
		return *v1
	}
	return infohash
}

// entriesOf are the entries of a torrent.
func (m *member) entriesOf(infohash [20]byte) ([]*catalog.Entry, error) {
	ix, err := m.Index()
	if err != nil {
		return nil, err
	}
	p, err := m.policy()
	if err != nil {
		return nil, err
	}
	in := &m.insiders
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	return in.judge(p, ix).byHash[infohash], nil
}

// noteHeld remembers the .torrent of what a mirror holds: its infohash stands in no record.
func (m *member) noteHeld(t *metafile.Torrent, h signed.Hash) {
	in := &m.insiders
	in.indexMu.Lock()
	defer in.indexMu.Unlock()
	if in.heldBy == nil {
		in.heldBy = map[[20]byte]signed.Hash{}
	}
	for _, short := range shortHashes(t) {
		in.heldBy[short] = h
	}
	in.judged = nil
}

// holders are the addresses of members that are online and have all of a torrent, as they say themselves.
func (m *member) holders(ctx context.Context, t *metafile.Torrent) (out []string) {
	ctx, cancel := context.WithTimeout(ctx, holdersWait)
	defer cancel()
	var (
		mu    sync.Mutex
		asked = panics.Group{Failed: panics.Logged(m.s.n.log, "asking members what they have")}
	)
	for _, nb := range m.crowd.Neighbours() {
		if !nb.Now {
			continue
		}
		asked.Start(func() {
			c := m.client(nb.Addr)
			defer c.CloseIdleConnections()
			have, err := groupsync.NewPeer(c, m.ID(), m).Have(ctx)
			if err != nil {
				return
			}
			for _, h := range shortHashes(t) {
				if slices.Contains(have, h) {
					mu.Lock()
					out = append(out, nb.Addr)
					mu.Unlock()
					return
				}
			}
		})
	}
	_ = asked.Wait() // the others have answered
	return out
}

// holdersWait is how long members are asked what they have before a fetch goes on without their answers.
const holdersWait = 2 * time.Second

// peersMet are addresses that other members may be told.
func (m *member) peersMet() []string {
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd == nil {
		return nil
	}
	return crowd.Met()
}

// addresses are those at which members are, as far as known.
func (m *member) addresses() []string {
	m.s.mu.Lock()
	crowd := m.crowd
	m.s.mu.Unlock()
	if crowd == nil {
		return nil
	}
	return crowd.Known()
}

// introduce tells the torrents of members that are heard of while they run. Those that are known already are dialled by
// the client's own times.
func (m *member) introduce(ctx context.Context, e *engine.Engine) {
	known := map[string]bool{}
	tick := time.NewTicker(peersEvery)
	defer tick.Stop()
	for {
		var fresh []string
		for _, a := range m.addresses() {
			if !known[a] {
				known[a] = true
				fresh = append(fresh, a)
			}
		}
		if len(known) > maxIntroduced {
			clear(known)
		}
		e.AddPeers(fresh...)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxIntroduced bounds the addresses that are remembered as told.
const maxIntroduced = 10_000

// privateGroup is the private group with an ID.
func (n *Node) privateGroup(id string) (*member, error) {
	if s := n.groups.Load(); s != nil {
		for _, m := range s.list() {
			if m.private() && m.ID().String() == id {
				return m, nil
			}
		}
	}
	return nil, fault.Hint(fault.New(fault.NotFound, "this home is not in the private group that the content is of"), "join it again with p2pshare group join LINK")
}
