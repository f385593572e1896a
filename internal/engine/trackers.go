package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/anacrolix/torrent/tracker"
)

const (
	trackerTimeout   = 20 * time.Second
	trackerFirstWait = 5 * time.Second  // after the first failure; doubles
	trackerMaxWait   = 30 * time.Minute // between announces, whatever the tracker says
	trackerMinWait   = 5 * time.Second
	stoppedTimeout   = 2 * time.Second // Close waits this long for trackers to hear "stopped"
)

// announceTier keeps one tier (BEP 12) told of us until ctx ends: its trackers are tried in random
// order, one that answers moves to the front, and the next is asked only when those before it fail.
func (t *Torrent) announceTier(ctx context.Context, tier []string) {
	tier = append([]string(nil), tier...)
	rand.Shuffle(len(tier), func(i, j int) { tier[i], tier[j] = tier[j], tier[i] })
	event := tracker.Started
	told := ""
	failures := 0
	done := t.completed()
	defer func() {
		t.mu.Lock()
		moved := t.moved
		t.mu.Unlock()
		if told != "" && !moved {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stoppedTimeout)
			defer cancel()
			_, _ = t.announceOnce(stop, told, tracker.Stopped)
		}
	}()
	for {
		wait := min(trackerFirstWait<<min(failures, 10), trackerMaxWait)
		failed := true
		for i, u := range tier {
			res, err := t.announceOnce(ctx, u, event)
			if ctx.Err() != nil {
				return
			}
			t.noteTracker(u, err)
			if err != nil {
				continue
			}
			copy(tier[1:i+1], tier[:i])
			tier[0] = u
			told, event, failed, failures = u, tracker.None, false, 0
			wait = min(max(res.interval, trackerMinWait), trackerMaxWait)
			if t.hungry() {
				// Nobody to fetch from: ask again before the interval, at the rate that a tracker's
				// minimum interval commonly allows.
				wait = min(wait, time.Minute)
			}
			break
		}
		if failed {
			failures++
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
			if event == tracker.None {
				event = tracker.Completed
			}
		}
	}
}

// noteTracker keeps the last error of a tracker for Problems, and logs a change of mind.
func (t *Torrent) noteTracker(u string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.trackerErrs[u]
	if err == nil {
		delete(t.trackerErrs, u)
		return
	}
	if was == nil || was.Error() != err.Error() {
		t.e.settings.Log.Info("a tracker did not answer", "tracker", u, "err", err)
	}
	t.trackerErrs[u] = err
}
