package engine

import (
	"io"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// joinSuper finds the torrent of a connection's handshake; nil if it is not complete here, or not super-seeded at all.
func (e *Engine) joinSuper(w *wire, hash [20]byte) *superPeer {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.byShort[hash]
	if t == nil || t.pieces == 0 || e.settings.SuperSeed == SuperSeedOff || !t.whole() {
		return nil
	}
	if t.super == nil {
		t.super = newSuperSeeder(e.settings.SuperSeed, t.pieces, t.pieceLength, time.Now)
	}
	return t.super.join(w.tell)
}

// whileOpen runs f, which ends with the engine, and which Close waits for. A fault in it ends c.
func (e *Engine) whileOpen(c io.Closer, f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx.Err() == nil {
		e.wg.Go(panics.Guard(f, func(bug *panics.Error) {
			e.fault("telling pieces", bug)
			c.Close()
		}))
	}
}

// tendSuper looks after super-seeded peers until the engine ends.
func (e *Engine) tendSuper() {
	tick := time.NewTicker(superTick)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-tick.C:
		}
		for _, s := range e.superSeeders() {
			s.tend()
		}
	}
}

func (e *Engine) superSeeders() (out []*superSeeder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for t := range e.torrents {
		if t.super != nil {
			out = append(out, t.super)
		}
	}
	return out
}
