// Package shaper shares a rate out among torrents.
//
//	New       one direction of all traffic, with its rate
//	Flow      the traffic of one torrent in that direction; the zero value is ready
//	Wait      blocks until bytes of a flow may be carried
//	SetRate, SetFlowRate   change the rate of everything, or of one flow
//
// Each flow with something to carry gets the same share, however many connections it has; a limiter that counts
// connections would leave nothing to a torrent with one peer beside one with fifty.
//
// It is start-time fair queueing: the flow that has been served least goes first. A turn may take the budget below zero,
// so that the rate holds on average whatever the sizes are.
package shaper

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p2pshare/p2pshare/internal/panics"
)

const (
	// catchUp is how many bytes a flow may be behind and still be served them first. A single peer pauses between two of
	// its blocks; without this, each pause would cost it a turn.
	catchUp = 128 << 10
	// burstTime is how much of its rate a bucket may save up.
	burstTime = 100 * time.Millisecond
)

// Shaper holds one direction of all traffic to a rate. Its methods may be called from any goroutine.
type Shaper struct {
	limited atomic.Bool // some limit is set

	mu         sync.Mutex
	bucket     bucket
	waiting    map[*Flow]struct{} // flows that have waiters
	virtual    float64            // what the flow served last had been served
	timer      *time.Timer
	flowLimits int // flows with a limit of their own
}

// Flow is the traffic of one torrent in one direction. It is guarded by the Shaper it is used with.
type Flow struct {
	bucket  bucket
	served  float64 // bytes, in the shaper's virtual time
	waiters []waiter
}

type waiter struct {
	n    float64
	turn chan struct{}
}

// bucket fills with rate up to a burst, and may be below zero after a turn.
type bucket struct {
	rate   float64 // bytes a second; 0: no limit
	tokens float64
	at     time.Time
}

// New makes a Shaper with a rate in bytes a second; 0 is no limit.
func New(rate int64, log *slog.Logger) *Shaper {
	s := &Shaper{waiting: map[*Flow]struct{}{}}
	s.timer = time.AfterFunc(time.Hour, panics.Guard(s.fire, func(bug *panics.Error) {
		bug.Log(log, "the limit of rates")
		s.timer.Reset(panics.Rest) // waiters would wait for ever
	}))
	s.timer.Stop()
	s.SetRate(rate)
	return s
}

// SetRate changes the rate of all flows together, in bytes a second; 0 is no limit.
func (s *Shaper) SetRate(rate int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket.set(float64(rate))
	s.limited.Store(s.bucket.rate > 0 || s.flowLimits > 0)
	s.dispatch(time.Now())
}

// SetFlowRate changes the rate of one flow, in bytes a second; 0 is no limit.
func (s *Shaper) SetFlowRate(f *Flow, rate int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch was := f.bucket.rate > 0; {
	case was && rate <= 0:
		s.flowLimits--
	case !was && rate > 0:
		s.flowLimits++
	}
	f.bucket.set(float64(rate))
	s.limited.Store(s.bucket.rate > 0 || s.flowLimits > 0)
	s.dispatch(time.Now())
}

// Limited reports whether there is a limit on anything.
func (s *Shaper) Limited() bool { return s.limited.Load() }

// Limits reports whether bytes of f have to wait for a turn at all.
func (s *Shaper) Limits(f *Flow) bool {
	if !s.limited.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bucket.rate > 0 || f.bucket.rate > 0
}

// Wait returns when n bytes of f may be carried, or with ctx's error.
func (s *Shaper) Wait(ctx context.Context, f *Flow, n int) error {
	if !s.limited.Load() {
		return nil
	}
	w := waiter{float64(n), make(chan struct{})}
	s.mu.Lock()
	if len(f.waiters) == 0 {
		// Idle time saves up no right to overtake, except what a peer on a busy machine needs to ask again.
		f.served = max(f.served, s.virtual-catchUp)
		s.waiting[f] = struct{}{}
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
		delete(s.waiting, f)
	}
	return ctx.Err()
}

func (s *Shaper) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatch(time.Now())
}

// dispatch gives out turns while the buckets allow it, and sets the timer for the next. s.mu is held.
func (s *Shaper) dispatch(now time.Time) {
	for {
		var next *Flow
		later := time.Duration(-1)
		for f := range s.waiting {
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
			delete(s.waiting, next)
		}
		close(w.turn)
	}
}

func (b *bucket) set(rate float64) {
	b.rate = max(rate, 0)
	b.tokens = min(b.tokens, 0)
	b.at = time.Now()
}

// ready is how long until the bucket is no longer below zero.
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
