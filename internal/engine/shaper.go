package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

// shaper holds one direction of all connections to a rate, and shares it out among the torrents that have something to
// carry: each gets the same, however many connections it has. The client's own limiter gives every connection the same,
// so that one share with fifty peers leaves nothing to one with a single peer.
//
// It is start-time fair queueing: the torrent that has been served least goes first. A turn may take the budget below
// zero, so that the rate holds on average whatever the sizes are.
type shaper struct {
	busy atomic.Bool // some limit is set; else nobody need ask

	mu      sync.Mutex
	bucket  bucket
	flows   map[*flow]struct{} // that have waiters
	virtual float64            // what the flow that was served last had been served
	timer   *time.Timer
	limited int // flows that have a limit of their own
}

// flow is the traffic of one torrent in one direction.
type flow struct {
	bucket  bucket
	served  float64 // bytes, in the shaper's virtual time
	waiters []waiter
}

type waiter struct {
	n    float64
	turn chan struct{}
}

// bucket fills with rate, to a burst, and may be below zero after a turn.
type bucket struct {
	rate   float64 // bytes a second; 0: no limit
	tokens float64
	at     time.Time
}

// catchUp is how many bytes a torrent may be behind and still be served them first. A single peer is between two of its
// blocks for a moment, in which others are served; without it each such moment would cost it a turn.
const catchUp = 128 << 10

// burstTime is how much of its rate a bucket may save up.
const burstTime = 100 * time.Millisecond

func newShaper(rate int64, log *slog.Logger) *shaper {
	s := &shaper{flows: map[*flow]struct{}{}}
	s.timer = time.AfterFunc(time.Hour, panics.Guard(s.fire, func(bug *panics.Error) {
		bug.Log(log, "the limit of rates")
		s.timer.Reset(panics.Rest) // who waits would wait for ever
	}))
	s.timer.Stop()
	s.setRate(rate)
	return s
}

// setRate changes the rate of all together; 0: none.
func (s *shaper) setRate(rate int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket.set(float64(rate))
	s.busy.Store(s.bucket.rate > 0 || s.limited > 0)
	s.dispatch(time.Now())
}

// setFlow changes the rate of one torrent; 0: none.
func (s *shaper) setFlow(f *flow, rate int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch was := f.bucket.rate > 0; {
	case was && rate <= 0:
		s.limited--
	case !was && rate > 0:
		s.limited++
	}
	f.bucket.set(float64(rate))
	s.busy.Store(s.bucket.rate > 0 || s.limited > 0)
	s.dispatch(time.Now())
}

// limits says whether bytes of f have to wait for a turn at all.
func (s *shaper) limits(f *flow) bool {
	if !s.busy.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bucket.rate > 0 || f.bucket.rate > 0
}

// wait returns when n bytes of f may be carried, or with ctx's error.
func (s *shaper) wait(ctx context.Context, f *flow, n int) error {
	if !s.busy.Load() {
		return nil
	}
	w := waiter{float64(n), make(chan struct{})}
	s.mu.Lock()
	if len(f.waiters) == 0 {
		// Time without traffic saves up no right to overtake, but what a peer on a busy machine needs to ask again.
		f.served = max(f.served, s.virtual-catchUp)
		s.flows[f] = struct{}{}
	}
	f.waiters = append(f.waiters, w)
	s.dispatch(time.Now())
	s.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range f.waiters {
		if f.waiters[i].turn == w.turn {
			f.waiters = append(f.waiters[:i], f.waiters[i+1:]...)
			break
		}
	}
	if len(f.waiters) == 0 {
		delete(s.flows, f)
	}
	return ctx.Err()
}

func (s *shaper) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatch(time.Now())
}

// dispatch gives turns while there is something to give, and sets the timer for the next. s.mu is held.
func (s *shaper) dispatch(now time.Time) {
	for {
		var next *flow
		later := time.Duration(-1)
		for f := range s.flows {
			if d := f.bucket.ready(now); d > 0 {
				if later < 0 || d < later {
					later = d
				}
			} else if next == nil || f.served < next.served {
				next = f
			}
		}
		if next != nil {
			if d := s.bucket.ready(now); d > 0 {
				later, next = d, nil
			}
		}
		if next == nil {
			if later >= 0 {
				s.timer.Reset(later)
			}
			return
		}
		w := next.waiters[0]
		next.waiters = next.waiters[1:]
		s.virtual = next.served
		next.served += w.n
		s.bucket.take(w.n)
		next.bucket.take(w.n)
		if len(next.waiters) == 0 {
			next.waiters = nil
			delete(s.flows, next)
		}
		close(w.turn)
	}
}

func (b *bucket) set(rate float64) {
	b.rate = max(rate, 0)
	b.tokens = min(b.tokens, 0)
	b.at = time.Now()
}

// ready is how long until the bucket is not below zero.
func (b *bucket) ready(now time.Time) time.Duration {
	if b.rate <= 0 {
		return 0
	}
	if dt := now.Sub(b.at).Seconds(); dt > 0 {
		b.tokens = min(b.tokens+dt*b.rate, b.rate*burstTime.Seconds())
		b.at = now
	}
	if b.tokens >= 0 {
		return 0
	}
	return max(time.Duration(-b.tokens/b.rate*float64(time.Second)), time.Millisecond)
}

func (b *bucket) take(n float64) {
	if b.rate > 0 {
		b.tokens -= n
	}
}
