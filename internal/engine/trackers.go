package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/anacrolix/torrent/tracker"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/webaddr"
)

const (
	trackerTimeout = 20 * time.Second
	stoppedTimeout = 2 * time.Second // Close waits this long for trackers to hear "completed" and "stopped"
)

// TrackerWord is what a tracker has to say to who uses it.
type TrackerWord struct {
	URL     string
	Text    string // not escaped; without the secrets of URL
	Refuses bool   // it takes no announce (BEP 3 failure reason), else it only warns
}

// announceTier keeps one tier (BEP 12) told of us until ctx ends: its trackers are tried in random
// order, one that answers moves to the front, and the next is asked only when those before it fail.
func (t *Torrent) announceTier(ctx context.Context, tier []string) {
	tier = append([]string(nil), tier...)
	rand.Shuffle(len(tier), func(i, j int) { tier[i], tier[j] = tier[j], tier[i] })
	plans := map[string]*schedule{}
	for _, u := range tier {
		key := scheduleKey{u, t.shorts()[0]}
		plans[u] = t.e.schedules.take(key)
		defer t.e.schedules.leave(key)
	}
	late, cancel := outliving(ctx, stoppedTimeout)
	defer cancel()
	defer t.sayStopped(late, plans)
	done := t.completed()
	for {
		next := t.announceRound(ctx, late, tier, plans)
		if ctx.Err() != nil {
			return
		}
		wait := time.Until(next)
		if done != nil {
			wait = min(wait, trackerLook)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-done:
			timer.Stop()
			done = nil
		}
	}
}

// outliving is a context that ends so long after ctx.
func outliving(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, panics.Guard(func() {
		timer := time.AfterFunc(by, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	}, func(*panics.Error) { cancel() }))
	return longer, func() { stop(); cancel() }
}

// announceRound asks those trackers of a tier that may be asked, up to the first that answers, and says when one may be
// asked again. late outlives ctx for what is said at the end.
func (t *Torrent) announceRound(ctx, late context.Context, tier []string, plans map[string]*schedule) (next time.Time) {
	next = time.Now().Add(trackerNever)
	for i, u := range tier {
		s := plans[u]
		now, done := time.Now(), t.isDone()
		event, at := s.next(now, done, t.hungry())
		if at.After(now) {
			if at.Before(next) {
				next = at
			}
			if s.failures == 0 && s.started {
				return next // those behind it are for when it fails
			}
			continue
		}
		ask := ctx
		if event == tracker.Completed {
			ask = late // a fetch often ends as it is told of
		}
		a, err := t.announceOnce(ask, u, event, s.id)
		if ctx.Err() != nil && event != tracker.Completed {
			if !t.hasMoved() { // the fetch that follows a look-up need not wait
				s.cut(now)
			}
			return next
		}
		t.noteTracker(u, a, err)
		now = time.Now()
		if err != nil {
			if s.failed(now, event, err); s.earliest.Before(next) {
				next = s.earliest
			}
			continue
		}
		s.heard(now, event, done, a)
		copy(tier[1:i+1], tier[:i])
		tier[0] = u
		_, at = s.next(now, t.isDone(), t.hungry())
		return at
	}
	return next
}

// sayStopped tells the trackers that count us among their peers that we go, once.
func (t *Torrent) sayStopped(ctx context.Context, plans map[string]*schedule) {
	if t.hasMoved() {
		return
	}
	told := panics.Group{Failed: func(bug *panics.Error) { t.e.fault("saying goodbye to a tracker", bug) }}
	for u, s := range plans {
		if s.started {
			s.started = false
			told.Start(func() {
				if t.isDone() && !s.completed && s.failures == 0 {
					_, _ = t.announceOnce(ctx, u, tracker.Completed, s.id)
				}
				_, _ = t.announceOnce(ctx, u, tracker.Stopped, s.id)
			})
		}
	}
	_ = told.Wait() // the others know
}

func (t *Torrent) hasMoved() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moved
}

// noteTracker keeps what went wrong with a tracker and what it said, and logs a change of mind.
func (t *Torrent) noteTracker(u string, a trackerAnswer, err error) {
	word := TrackerWord{URL: u, Text: a.warning}
	if said, ok := errors.AsType[*refusal](err); ok && said.reason != "" {
		word.Text, word.Refuses = said.reason, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if was := t.trackerWords[u]; was != word && word.Text != "" {
		t.e.settings.Log.Info("a tracker says something", "tracker", webaddr.RedactURL(u), "words", word.Text, "refuses", word.Refuses)
	}
	if word.Text == "" {
		delete(t.trackerWords, u)
	} else {
		t.trackerWords[u] = word
	}
	was := t.trackerErrs[u]
	if err == nil {
		delete(t.trackerErrs, u)
		return
	}
	if was == nil || was.Error() != err.Error() {
		t.e.settings.Log.Info("a tracker did not answer", "tracker", webaddr.RedactURL(u), "err", webaddr.Conceal(err.Error(), u))
	}
	t.trackerErrs[u] = err
}
