package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestWhoIsLetInAgainAndAgain: two who both have all of something part and meet again every minute. That is one line an hour, for each
// device and torrent, and the first at once.
func TestWhoIsLetInAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out []Note
		s := newNotes(func(n Note) { out = append(out, n) }, time.Now)
		for minute := range 180 {
			for _, device := range []signed.Key{{1}, {2}} {
				s.sum(Note{What: Admitted, Device: device, Infohash: [20]byte{7}})
			}
			if minute == 0 && len(out) != 2 {
				t.Errorf("at once: got %d notes, want one of each device", len(out))
			}
			time.Sleep(time.Minute)
			s.flush(false)
		}
		s.flush(true)
		var times int64
		for _, n := range out {
			times += n.Times
		}
		if len(out) > 2*4 || times != 2*180 {
			t.Errorf("three hours: got %d notes of %d admissions, want some of 360", len(out), times)
		}
	})
}

// TestManyWhoAreLetIn: of more than are told apart at a time none is lost.
func TestManyWhoAreLetIn(t *testing.T) {
	var out []Note
	s := newNotes(func(n Note) { out = append(out, n) }, time.Now)
	const devices = maxAdmits + 500
	for range 2 {
		for i := range devices {
			s.sum(Note{What: Admitted, Device: signed.Key{byte(i), byte(i >> 8)}})
		}
	}
	s.flush(true)
	var times int64
	for _, n := range out {
		times += n.Times
	}
	if times != 2*devices || len(s.admits) != 0 {
		t.Errorf("got %d admissions, want %d", times, 2*devices)
	}
}
