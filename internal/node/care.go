package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
	"github.com/p2pshare/p2pshare/internal/engine"
	"github.com/p2pshare/p2pshare/internal/metafile"
	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/state"
)

const (
	// careEvery is how often rates, policies and the hour's limits are looked at.
	careEvery = 5 * time.Second
	// saveEvery is how often the counters are written: a crash forgets what was sent since, no more.
	saveEvery = 30 * time.Second
)

// care looks after all shares, until the keeper closes.
func (k *keeper) care() {
	k.wg.Go(k.steady("looking at the files of shares", k.look))
	tick := time.NewTicker(careEvery)
	defer tick.Stop()
	saved := time.Now()
	for {
		k.applyLimits(time.Now())
		select {
		case <-k.ctx.Done():
			return
		case now := <-tick.C:
			k.round(now)
			if now.Sub(saved) >= saveEvery {
				saved = now
				if err := k.saveCounters(); err != nil {
					k.n.log.Error("the counters could not be written", "error", err)
				}
			}
		}
	}
}

// round samples every share, tells those who listen, and stops what has done its work.
func (k *keeper) round(now time.Time) {
	tell, done := k.sampleAll(now)
	for it, e := range tell {
		it.emit(e)
	}
	for it, why := range done {
		k.rest(it, why)
	}
}

// sampleAll samples every share. It gives what is to be told to those who listen, and the shares that have done their work,
// with why.
func (k *keeper) sampleAll(now time.Time) (tell map[*item]Event, done map[*item]string) {
	tell, done = map[*item]Event{}, map[*item]string{}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, it := range k.items {
		if it.torrent == nil {
			continue
		}
		s := it.torrent.Stats()
		it.sample(now, s)
		if it.state != StateSeeding {
			continue
		}
		if len(it.listeners) > 0 {
			tell[it] = Event{Seeding: it.seeding(s)}
		}
		if reason := it.enough(now, s); reason != "" {
			done[it] = reason
		}
	}
	return tell, done
}

// sample brings the rates up to now. The keeper's mu is held.
func (it *item) sample(now time.Time, s engine.Stats) {
	it.up.sample(now, s.Uploaded)
	it.down.sample(now, s.FromPeers+s.FromWebSeeds)
}

func (it *item) seeding(s engine.Stats) *Seeding {
	return &Seeding{
		Name: it.rec.Name, Infohash: it.rec.Infohash, InfohashV2: it.rec.InfohashV2, Magnet: it.rec.Magnet, Path: it.rec.Path,
		Port: it.k.n.port(), Peers: s.Peers, Copies: s.Copies, WebSeeds: it.rec.WebSeeds, Up: it.up.mean, Uploaded: it.before.Up + s.Uploaded,
	}
}

// enough says why a share has been seeded enough, "" if it has not. The keeper's mu is held.
func (it *item) enough(now time.Time, s engine.Stats) string {
	c := it.counted(now, s)
	return it.policy().enough(it.rec.wanted(), c.Up, time.Duration(c.Seconds*float64(time.Second)), s.Copies)
}

// policy is when a share has been seeded enough: its own, or else that of all. The keeper's mu is held.
func (it *item) policy() Policy {
	if it.rec.Policy == (Policy{}) {
		return it.k.n.opts.Policy
	}
	return it.rec.Policy
}

// counted are an item's counters at this moment. The keeper's mu is held.
func (it *item) counted(now time.Time, s engine.Stats) counters {
	c := it.before
	c.Up += s.Uploaded
	c.Down += s.FromPeers + s.FromWebSeeds
	c.Bad += s.BadPieces
	if !it.since.IsZero() {
		c.Seconds += now.Sub(it.since).Seconds()
	}
	return c
}

// settled is settle for a caller that does not hold k.mu.
func (k *keeper) settled(it *item) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.settle(it)
}

// settle adds what the torrent under way has counted to the item's past, before it leaves the swarm. k.mu is held.
func (k *keeper) settle(it *item) {
	if it.torrent == nil {
		return
	}
	s := it.torrent.Stats()
	it.before = it.counted(time.Now(), s)
	it.from.add(s)
	it.torrent, it.since = nil, time.Time{}
	it.up, it.down = rate{}, rate{}
}

// rest stops a share for good: by a policy, for a reason, or by the user.
func (k *keeper) rest(it *item, why string) {
	k.change(it, func(r *record) { r.Rests, r.Why, r.Hint = true, why, "" })
	k.halt(it)
	k.mu.Lock()
	it.state, it.reason, it.hint = StateStopped, why, ""
	name := it.rec.Name
	k.mu.Unlock()
	if why != "" {
		k.n.log.Info("a share has done its work", "share", name, "reason", why)
		it.emit(Event{Stopped: &Stopped{Name: name, Reason: why}})
	}
}

// saveCounters writes what all shares have sent and received, if it changed.
func (k *keeper) saveCounters() error {
	all, same := k.allCounters()
	if same && k.ctx.Err() == nil {
		return nil
	}
	if err := state.WriteVersioned(k.n.home.Path("counters.json"), countersVersion, countersDoc{all}); err != nil {
		return err
	}
	k.mu.Lock()
	k.saved = all
	k.mu.Unlock()
	return nil
}

// allCounters are those of all shares, and whether they were saved like this.
func (k *keeper) allCounters() (all map[string]counters, same bool) {
	k.mu.Lock()
	defer k.mu.Unlock() // a client's counters may panic
	all = make(map[string]counters, len(k.items))
	now := time.Now()
	for id, it := range k.items {
		c := it.before
		if it.torrent != nil {
			c = it.counted(now, it.torrent.Stats())
		}
		if c != (counters{}) && !it.unsaved {
			all[id] = c
		}
	}
	return all, maps.EqualFunc(all, k.saved, func(a, b counters) bool {
		a.Seconds, b.Seconds = 0, 0 // an idle disk may sleep
		return a == b
	})
}

// applyLimits has the engine hold to the rates of this hour.
func (k *keeper) applyLimits(now time.Time) {
	e, err := k.n.network()
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e.SetLimits(k.allLimits().now(now))
	for _, it := range k.items {
		if it.torrent != nil {
			it.torrent.SetLimits(it.rec.Limits.now(now))
		}
	}
}

// allLimits are those of all shares together. k.mu is held.
func (k *keeper) allLimits() Limits {
	l, _ := k.limits.over(k.n.opts.Network, k.firm)
	return l
}

const (
	// lookShare is the part of the time that looking at files may take: one in so many.
	lookShare = 400
	// lookPause is the least time between two looks: an idle machine may sleep.
	lookPause = 100 * time.Millisecond
)

func (k *keeper) watch(s *share, it *item) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watched[s] = it
}

func (k *keeper) unwatch(s *share) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.watched, s)
}

// look goes round the files of all shares for changes that no read has met, every share each sourceEvery if there are
// few, and else as often as a small part of the time allows. A read finds a change at once anyway.
func (k *keeper) look() {
	timer := time.NewTimer(lookPause)
	defer timer.Stop()
	var todo []*share
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-timer.C:
		}
		k.mu.Lock()
		n := len(k.watched)
		k.mu.Unlock()
		begun := time.Now()
		for range 1 + n*int(lookPause)/int(sourceEvery) {
			s := k.nextToLook(&todo)
			if s == nil {
				break
			}
			k.lookAt(k.ctx, s)
			if lookShare*time.Since(begun) > lookPause {
				break
			}
		}
		pause := lookPause
		if n*int(lookPause) < int(sourceEvery) {
			pause = sourceEvery / time.Duration(max(n, 1)) // one at a time
		}
		timer.Reset(max(pause, lookShare*time.Since(begun)))
	}
}

// lookAt looks at one share. What has changed is no longer called seeding from here on.
func (k *keeper) lookAt(ctx context.Context, s *share) {
	if !s.look(ctx) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if it := k.watched[s]; it != nil && it.state == StateSeeding {
		it.state, it.reason, it.hint = StateChecking, "its files changed, and are looked at again", ""
	}
}

// statusLook bounds how long who asks for the status waits for a disk.
const statusLook = time.Second

// lookNow looks at the files of all shares before somebody is told that they are seeded.
func (k *keeper) lookNow(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, statusLook)
	defer stop()
	done := make(chan struct{})
	k.mu.Lock()
	list := slices.Collect(maps.Keys(k.watched))
	if len(list) == 0 || k.closed {
		k.mu.Unlock()
		return
	}
	k.wg.Go(panics.Guard(func() {
		defer close(done)
		for _, s := range list {
			if ctx.Err() != nil {
				return
			}
			k.lookAt(ctx, s)
		}
	}, panics.Logged(k.n.log, "looking at the files of shares")))
	k.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done(): // a disk that does not answer
	}
}

// doubt has the shares of a torrent hashed again whose content at path was found wrong: their stamps stand for bytes that
// are not there any more.
func (k *keeper) doubt(m *metafile.Torrent, path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	it := k.holding(m, nil)
	if it == nil || it.unsaved || it.rec.Fetch != nil || it.rec.Path != path {
		return
	}
	if err := k.store.PutFile(it.id, stampsFile, nil); err != nil {
		k.n.log.Warn("the stamps of a share could not be taken back", "share", it.rec.Name, "error", err)
	}
	for s, of := range k.watched {
		if of != it {
			continue
		}
		s.tell(&content.ChangedError{Path: path, How: "did not verify"})
		if it.state == StateSeeding {
			it.state, it.reason, it.hint = StateChecking, "it did not verify, and is hashed again", ""
		}
	}
}

// nextToLook takes a share that is still watched from todo, which begins anew when it is empty.
func (k *keeper) nextToLook(todo *[]*share) *share {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(*todo) == 0 {
		for s := range k.watched {
			*todo = append(*todo, s)
		}
	}
	for len(*todo) > 0 {
		s := (*todo)[len(*todo)-1]
		*todo = (*todo)[:len(*todo)-1]
		if k.watched[s] != nil {
			return s
		}
	}
	return nil
}
