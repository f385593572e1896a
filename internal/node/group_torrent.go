package node

import (
	"context"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

const (
	// askAtOnce is how many members are asked for a .torrent at a time: as many as we keep up with, so that those who do not
	// answer leave room for one who does.
	askAtOnce = 12
	// askAgain is the pause before a member that did not have it is asked once more, by who waits for it.
	askAgain = time.Second
	// lookAgain is how often members are looked for that have just been met.
	lookAgain = 200 * time.Millisecond
)

// torrentOf gives the .torrent of an entry, from here or from a member that is known, or errNoTorrent.
func (m *member) torrentOf(ctx context.Context, e *catalog.Entry) ([]byte, error) {
	return m.torrentBytes(ctx, e.Torrent)
}

func (m *member) torrentBytes(ctx context.Context, h signed.Hash) ([]byte, error) {
	return m.seekTorrent(ctx, h, false)
}

// torrentSoon is torrentOf for a person who waits. In a private group nobody but a member has it: one that is met in the
// next seconds may, and who has just joined has met one alone.
func (m *member) torrentSoon(ctx context.Context, e *catalog.Entry) ([]byte, error) {
	return m.seekTorrent(ctx, e.Torrent, m.private())
}

// seekTorrent asks members side by side, so that one that does not answer keeps nobody waiting.
func (m *member) seekTorrent(ctx context.Context, h signed.Hash, patient bool) ([]byte, error) {
	if b := m.torrentFile(h); b != nil {
		return b, nil
	}
	ctx, cancel := context.WithTimeout(ctx, memberWait)
	type said struct {
		addr    string
		torrent []byte
	}
	answers := make(chan said)
	under, asked := 0, map[string]time.Time{} // when a member is to be asked; zero: it is being asked
	defer func() {
		cancel()
		for ; under > 0; under-- {
			<-answers
		}
	}()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		for _, nb := range m.crowd.Neighbours() {
			next, known := asked[nb.Addr]
			if under >= askAtOnce || known && (!patient || next.IsZero() || time.Now().Before(next)) {
				continue
			}
			under++
			asked[nb.Addr] = time.Time{}
			go panics.Guard(func() {
				b, _ := m.askTorrent(ctx, nb.Addr, h) // whatever it is, the next may have it
				answers <- said{nb.Addr, b}
			}, func(bug *panics.Error) {
				bug.Log(m.s.n.log, "a member's answer", "address", nb.Addr)
				answers <- said{addr: nb.Addr}
			})()
		}
		if under == 0 && (!patient || m.isOut()) {
			return nil, errNoTorrent
		}
		select {
		case <-ctx.Done():
			return nil, errNoTorrent
		case a := <-answers:
			under--
			asked[a.addr] = time.Now().Add(askAgain)
			if a.torrent != nil {
				return a.torrent, m.keepTorrent(a.torrent)
			}
		case <-tick.C:
		}
	}
}
