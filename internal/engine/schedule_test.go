package engine

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/anacrolix/torrent/tracker"
)

// TestScheduleOfAnswers: how long a tracker is left alone after an answer: by a torrent that is closed and added again, by
// one that finds nobody, and by one that needs nobody.
func TestScheduleOfAnswers(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, c := range []struct {
		interval, minInterval   time.Duration
		again, hungry, complete time.Duration
	}{
		{0, 0, 5 * m, 5 * m, 30 * m},
		{5 * s, 0, m, m, m},
		{5 * s, 2 * s, m, m, m},
		{30 * m, 0, m, 30 * m, 30 * m},
		{30 * m, 30 * m, 30 * m, 30 * m, 30 * m},
		{30 * m, 10 * m, 10 * m, 10 * m, 30 * m},
		{30 * m, 10 * s, m, m, 30 * m},
		{0, 10 * m, 10 * m, 10 * m, 30 * m},
		{0, 45 * m, 45 * m, 45 * m, 45 * m},
		{10 * m, 20 * m, 20 * m, 20 * m, 20 * m}, // contradicts itself
		{trackerMost, 0, m, trackerMost, trackerMost},
	} {
		now := time.Now()
		var p schedule
		if event, at := p.next(now, false, true); event != tracker.Started || at.After(now) {
			t.Fatalf("at first: got %v at %v", event, at)
		}
		p.heard(now, tracker.Started, false, trackerAnswer{interval: c.interval, minInterval: c.minInterval})
		_, hungry := p.next(now, false, true)
		_, fed := p.next(now, false, false)
		p.started = false
		event, again := p.next(now, false, true)
		if got := fmt.Sprint(again.Sub(now), hungry.Sub(now), fed.Sub(now)); got != fmt.Sprint(c.again, c.hungry, c.complete) || event != tracker.Started {
			t.Errorf("interval %v, min interval %v: got %s (%v), want %v %v %v", c.interval, c.minInterval, got, event, c.again, c.hungry, c.complete)
		}
	}
}

// TestScheduleOfFailures: errors back off, and a tracker's own word goes before that.
func TestScheduleOfFailures(t *testing.T) {
	const s, m = time.Second, time.Minute
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err  error
		want []time.Duration
	}{
		{refused, []time.Duration{15 * s, 30 * s, m, 2 * m, 4 * m, 8 * m, 16 * m, 30 * m, 30 * m}},
		{&net.DNSError{IsNotFound: true}, []time.Duration{15 * s, 30 * s}},
		{errSilent, []time.Duration{m, 2 * m, 4 * m, 8 * m, 16 * m, 30 * m, 30 * m}},
		{errNoAnswer, []time.Duration{5 * m, 10 * m, 20 * m, 40 * m, 60 * m, 60 * m}},
		{errors.New("EOF"), []time.Duration{5 * m, 10 * m}},
		{&refusal{code: 500}, []time.Duration{5 * m, 10 * m}},
		{&refusal{code: 503, retryIn: 20 * s}, []time.Duration{m, m}},
		{&refusal{code: 503, retryIn: 90 * m}, []time.Duration{90 * m, 90 * m}},
		{&refusal{reason: "no"}, []time.Duration{5 * m, 10 * m}},
		{&refusal{reason: "no", retryIn: 2 * m}, []time.Duration{2 * m, 2 * m}},
		{&refusal{reason: "no", retryIn: trackerNever}, []time.Duration{trackerNever}},
	} {
		var p schedule
		now := time.Now()
		for i, want := range c.want {
			p.failed(now, tracker.Started, c.err)
			event, at := p.next(now, false, true)
			if got := at.Sub(now); got != want || event != tracker.Started {
				t.Errorf("%v, failure %d: got %v in %v, want it in %v", c.err, i+1, event, got, want)
			}
			now = at
		}
		p.heard(now, tracker.Started, false, trackerAnswer{interval: 30 * m})
		p.failed(now.Add(30*m), tracker.None, refused)
		if _, at := p.next(now, false, true); at != now.Add(30*m+15*s) {
			t.Errorf("%v, then an answer and a failure: got %v, want to begin anew", c.err, at.Sub(now))
		}
	}
}

// TestScheduleOfCompleted: it is told once, before the interval is over, and never by who had all of it from the start.
func TestScheduleOfCompleted(t *testing.T) {
	now, day := time.Now(), trackerAnswer{interval: 30 * time.Minute, minInterval: 30 * time.Minute}
	var p schedule
	p.heard(now, tracker.Started, false, day)
	event, at := p.next(now, true, false)
	if event != tracker.Completed || at != now {
		t.Fatalf("when all is here: got %v in %v, want completed now", event, at.Sub(now))
	}
	lost := p
	p.heard(now, event, true, day)
	if event, at := p.next(now, true, false); event != tracker.None || at.Before(now.Add(30*time.Minute)) {
		t.Errorf("after completed: got %v in %v, want nothing for the interval", event, at.Sub(now))
	}
	// Not heard: told again, but no earlier than the tracker may be asked.
	lost.failed(now, tracker.Completed, errSilent)
	if event, at := lost.next(now, true, false); event != tracker.Completed || at.Before(now.Add(30*time.Minute)) {
		t.Errorf("after a completed that was not heard: got %v in %v", event, at.Sub(now))
	}
	// Heard, and refused.
	lost.failed(now, tracker.Completed, &refusal{reason: "no"})
	if event, _ := lost.next(now, true, false); event != tracker.None {
		t.Errorf("after a completed that was refused: got %v, want nothing", event)
	}
	var seed schedule
	seed.heard(now, tracker.Started, true, day)
	if event, _ := seed.next(now, true, false); event != tracker.None {
		t.Errorf("of who had all from the start: got %v, want nothing", event)
	}
}

// TestSchedulesAreBounded: who is not announced to is forgotten, sooner if it may be asked anyway.
func TestSchedulesAreBounded(t *testing.T) {
	all := schedules{of: map[scheduleKey]*schedule{}}
	key := func(n int) scheduleKey { return scheduleKey{url: fmt.Sprint("http://t", n)} }
	kept := all.take(key(-1))
	for n := range 3 * maxSchedules {
		p := all.take(key(n))
		p.earliest = time.Now().Add(time.Hour)
		all.leave(key(n))
		if again := all.take(key(n)); again != p {
			t.Fatalf("%d: what was said last is forgotten", n)
		}
		all.leave(key(n))
	}
	if len(all.of) > maxSchedules {
		t.Errorf("got %d, want %d at most", len(all.of), maxSchedules)
	}
	if all.take(key(-1)) != kept {
		t.Error("one that is in use was forgotten")
	}
}
