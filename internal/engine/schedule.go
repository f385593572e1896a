package engine

import (
	"errors"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/anacrolix/torrent/tracker"
)

// Trackers are asked no more often than they say (BEP 3 interval, its common companion min interval, BEP 31 retry in),
// and no more often than is decent where they say nothing. What they said outlives a Torrent: one that is closed and
// added again, or whose magnet became a fetch, is no new peer to them.
const (
	trackerLeast  = time.Minute      // between announces, whatever the tracker says
	trackerUnsaid = 5 * time.Minute  // and of one that says nothing
	trackerUsual  = 30 * time.Minute // what a torrent that needs nobody takes where nothing is said
	trackerMost   = 24 * time.Hour   // what a tracker can ask for
	trackerNever  = 10 * 365 * 24 * time.Hour

	// Failures double the wait: where nobody was reached, where an answer was waited for in vain, and where something else
	// came than an answer.
	unreachedWait, unreachedMost = 15 * time.Second, 30 * time.Minute
	silentWait, silentMost       = time.Minute, 30 * time.Minute
	oddWait, oddMost             = trackerUnsaid, time.Hour

	// trackerLook is how often a fetch that lost its peers may find that it wants others.
	trackerLook = time.Minute
	// maxSchedules bounds what is kept of trackers that nobody announces to any more.
	maxSchedules = 4096
)

// schedule is what one tracker said of when it wants to hear of one torrent.
type schedule struct {
	users     int       // torrents that announce by it; schedules.mu guards it
	started   bool      // it counts us among its peers
	completed bool      // it knows that we have all of it
	failures  int       // in a row
	earliest  time.Time // it is not asked before
	eager     time.Time // a torrent that finds nobody may ask again
	regular   time.Time // it wants to hear of us
	id        string    // its "tracker id", which is sent back
}

// next is the event to announce and when. done: all that is wanted is here; hungry: nobody is there to give it.
func (s *schedule) next(now time.Time, done, hungry bool) (tracker.AnnounceEvent, time.Time) {
	switch {
	case !s.started:
		return tracker.Started, s.earliest
	case done && !s.completed && s.failures == 0:
		return tracker.Completed, now
	case done && !s.completed:
		return tracker.Completed, s.earliest
	case hungry:
		return tracker.None, s.eager
	}
	return tracker.None, s.regular
}

// heard notes that the tracker took an announce.
func (s *schedule) heard(now time.Time, event tracker.AnnounceEvent, done bool, a trackerAnswer) {
	s.failures = 0
	if a.id != "" {
		s.id = a.id
	}
	least := trackerLeast
	if a.interval == 0 && a.minInterval == 0 {
		least = trackerUnsaid
	}
	least = max(least, a.minInterval)
	regular := trackerUsual
	if a.interval > 0 {
		regular = a.interval
	}
	regular = max(regular, least)
	s.earliest, s.eager, s.regular = now.Add(least), now.Add(regular), now.Add(regular)
	if a.minInterval > 0 || a.interval == 0 {
		s.eager = s.earliest // it says how often, or nothing
	}
	switch event {
	case tracker.Started:
		s.started, s.completed = true, done
	case tracker.Completed:
		s.completed = true
	}
}

// failed notes that the tracker did not take an announce.
func (s *schedule) failed(now time.Time, event tracker.AnnounceEvent, err error) {
	double := func(first, most time.Duration) time.Duration { return min(first<<min(s.failures, 10), most) }
	wait := double(oddWait, oddMost)
	answered := true
	var netErr net.Error
	if said, ok := errors.AsType[*refusal](err); ok {
		if said.retryIn > 0 {
			wait = max(said.retryIn, trackerLeast)
		}
	} else if errors.As(err, &netErr) {
		answered = false
		wait = double(unreachedWait, unreachedMost)
		if netErr.Timeout() {
			wait = double(silentWait, silentMost)
		}
	}
	s.failures++
	at := now.Add(wait)
	if at.Before(s.earliest) {
		at = s.earliest // an event may be told before, which is no leave to ask
	}
	s.earliest, s.eager, s.regular = at, at, at
	if answered && event == tracker.Completed {
		s.completed = true // it was told
	}
}

// cut notes an announce that was not waited for. The tracker may have heard it.
func (s *schedule) cut(now time.Time) {
	if at := now.Add(trackerLeast); s.earliest.Before(at) {
		s.earliest = at
	}
}

// schedules are an engine's.
type schedules struct {
	mu sync.Mutex
	of map[scheduleKey]*schedule
}

type scheduleKey struct {
	url     string
	torrent [20]byte
}

// take gives the schedule of a torrent at a tracker, until it is left.
func (s *schedules) take(k scheduleKey) *schedule {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.of[k]
	if got == nil {
		s.sweep(time.Now())
		got = &schedule{}
		s.of[k] = got
	}
	got.users++
	return got
}

func (s *schedules) leave(k scheduleKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.of[k]; got != nil {
		got.users--
	}
}

// sweep forgets who may be asked anyway, and where that is not enough whoever is not announced to.
func (s *schedules) sweep(now time.Time) {
	if len(s.of) < maxSchedules/2 {
		return
	}
	maps.DeleteFunc(s.of, func(_ scheduleKey, s *schedule) bool { return s.users == 0 && !s.earliest.After(now) })
	if len(s.of) >= maxSchedules {
		maps.DeleteFunc(s.of, func(_ scheduleKey, s *schedule) bool { return s.users == 0 })
	}
}
