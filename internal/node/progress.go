package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

const (
	progressEvery = 250 * time.Millisecond
	// patience is how long nothing may move before the reason is looked for, and hope before files are named that
	// nobody gives.
	patience = 3 * time.Second
	hope     = 30 * time.Second
)

// rate is bytes a second over the last few seconds: an exponential mean with a time constant of two.
type rate struct {
	at   time.Time
	last int64
	mean float64
}

func (r *rate) sample(now time.Time, total int64) float64 {
	if r.at.IsZero() {
		r.at, r.last = now, total
		return 0
	}
	dt := now.Sub(r.at).Seconds()
	if dt <= 0 {
		return r.mean
	}
	cur := float64(total-r.last) / dt
	k := min(1, dt/2)
	r.mean += k * (cur - r.mean)
	r.at, r.last = now, total
	return r.mean
}

// hashing reports a phase that only reads the disk, at most every progressEvery. Its method may be
// called from several goroutines.
type hashing struct {
	on    func(Event)
	phase string
	name  string

	mu   sync.Mutex
	last time.Time
	rate rate
}

func (h *hashing) progress(done, total int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.last) < progressEvery && done != total {
		return
	}
	h.last = now
	p := Progress{Phase: h.phase, Name: h.name, Done: done, Total: total, Down: h.rate.sample(now, done)}
	p.ETA = eta(total-done, p.Down)
	h.on(Event{Progress: &p})
}

// add counts what a torrent received.
func (b *BytesFrom) add(s engine.Stats) {
	b.Peers += s.Kept
	b.WebSeeds += s.FromWebSeeds
}

func eta(left int64, rate float64) time.Duration {
	if rate < 1 || left <= 0 {
		return 0
	}
	return time.Duration(float64(left) / rate * float64(time.Second)).Truncate(time.Second)
}

// watch reports a torrent until ctx ends. total is what is wanted, reused what of it was there before.
type watch struct {
	t      *engine.Torrent
	w      swarm
	on     func(Event)
	name   string
	phase  string
	total  int64
	reused int64

	say  func(Event)   // messages
	lost func() losses // nil: not known

	down, up rate
	moved    time.Time
	before   int64
	heard    heard
	missed   missed
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	w.moved = time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p := w.sample(now)
			w.on(Event{Progress: &p})
		}
	}
}

func (w *watch) sample(now time.Time) Progress {
	s := w.t.Stats()
	w.heard.show(w.say, s.TrackerWords)
	got, from := s.FromPeers+s.FromWebSeeds, BytesFrom{Reused: w.reused}
	from.add(s)
	p := Progress{
		Phase: w.phase, Name: w.name, Total: w.total,
		Done:  min(from.Reused+from.Peers+from.WebSeeds, w.total),
		Down:  w.down.sample(now, got),
		Up:    w.up.sample(now, s.Uploaded),
		Peers: s.Peers, Seeds: s.Seeds,
		From: from,
	}
	if w.total > 0 {
		p.ETA = eta(w.total-p.Done, p.Down)
	}
	if got != w.before {
		w.moved, w.before, w.missed = now, got, missed{}
	} else if still := now.Sub(w.moved); still > patience {
		p.Waiting = w.waiting(s)
		if still > hope && s.Peers == 0 {
			p.Waiting += "; p2pshare doctor says why"
		}
		if still > hope && w.lost != nil {
			w.miss(now)
			p.Lost = w.missed.lost.list
		}
		if w.missed.lost.all > 0 && (w.missed.rest.all > 0 || w.missed.beside.all > 0) {
			p.Waiting += "; " + w.missed.gives()
		}
	}
	return p
}

// waiting says in words why nothing moves.
func (w *watch) waiting(s engine.Stats) string {
	switch {
	case s.Peers > 0 && w.total == 0:
		return fmt.Sprintf("%s connected, and no list of files has come yet", count(s.Peers, "peer"))
	case s.Peers > 0:
		return fmt.Sprintf("%s connected, and nothing comes at the moment", count(s.Peers, "peer"))
	case w.w.in != nil:
		return w.w.in.noHolder()
	case s.Known > 0:
		return fmt.Sprintf("nobody who has it answers (%s tried)", count(s.Known, "address"))
	}
	return "nobody with this content was found yet" + w.searched(s)
}

// searched names the places that were asked in vain.
func (w *watch) searched(s engine.Stats) string {
	switch {
	case len(s.TrackerProblem) > 0:
		u := slices.Min(slices.Collect(maps.Keys(s.TrackerProblem)))
		return fmt.Sprintf(" (tracker %s: %s)", webaddr.RedactURL(u), webaddr.Conceal(s.TrackerProblem[u].Error(), u))
	case w.w.HasDHT() && w.w.DHTNodes() == 0:
		return " (no DHT node has answered: is there an internet connection?)"
	}
	return ""
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "address":
		return fmt.Sprintf("%d addresses", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
