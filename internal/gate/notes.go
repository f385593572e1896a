package gate

import (
	"sync"
	"time"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// What a Note can be about.
const (
	Admitted = "admitted" // a connection was judged, and may
	Refused  = "refused"  // it may not
	Served   = "served"   // it ended, or has been open for a while
	Cut      = "cut"      // it may no longer
	Garbage  = "garbage"  // pieces that it sent were wrong
)

// Note is one thing that the audit wants to know.
type Note struct {
	Time     time.Time
	What     string
	Account  string // empty if it was refused before the judge named it
	Device   signed.Key
	From     string // IP address
	Infohash [20]byte
	Why      string
	Sent     int64 // bytes
	Got      int64
	Bad      int64
	Seconds  float64
	Times    int64 // how often the same happened; at least 1
}

// kind is what makes notes equal enough to be summed up.
type kind struct {
	what   string
	device signed.Key
	why    string
	hash   [20]byte // of what was admitted; who asks for a thousand others is refused once
}

// notes passes notes on. The first of a kind goes out at once, and those that follow within a minute, or an hour of who is let in,
// as one.
type notes struct {
	out func(Note)
	now func() time.Time

	mu     sync.Mutex
	sums   map[kind]*Note // with Times of those that are not out yet
	admits map[kind]*Note // of Admitted
}

func newNotes(out func(Note), now func() time.Time) *notes {
	return &notes{out: out, now: now, sums: map[kind]*Note{}, admits: map[kind]*Note{}}
}

func (s *notes) sum(n Note) {
	n.Time, n.Times = s.now(), 1
	k := kind{what: n.What, device: n.Device, why: n.Why}
	sums, early := s.sums, (*Note)(nil)
	s.mu.Lock()
	if n.admitted() {
		k.hash = n.Infohash
		if sums = s.admits; sums[k] == nil && len(sums) >= maxAdmits {
			early = s.endOldest()
		}
	}
	known := sums[k]
	if known == nil && !n.admitted() && len(sums) >= maxSums {
		k = kind{what: n.What}
		if known = sums[k]; known == nil {
			// The one for all the others: it names nobody.
			n = Note{Time: n.Time, What: n.What, Times: 1}
		}
	}
	if known != nil {
		known.Times++
		s.mu.Unlock()
		return
	}
	rest := n
	rest.Times = 0
	sums[k] = &rest
	s.mu.Unlock()
	if early != nil && early.Times > 0 {
		s.out(*early)
	}
	s.out(n)
}

// admitted says whether the note is of who is let in.
func (n Note) admitted() bool { return n.What == Admitted }

// endOldest forgets the sum that began first of those who are let in. mu is held.
func (s *notes) endOldest() *Note {
	var first kind
	var oldest *Note
	for k, n := range s.admits {
		if oldest == nil || n.Time.Before(oldest.Time) {
			first, oldest = k, n
		}
	}
	delete(s.admits, first)
	oldest.Time = s.now()
	return oldest
}

// flush passes on the sums whose time is over, or all.
func (s *notes) flush(all bool) {
	now := s.now()
	var out []Note
	s.mu.Lock()
	for _, sums := range []map[kind]*Note{s.sums, s.admits} {
		for k, n := range sums {
			whole := sumTime
			if n.admitted() {
				whole = admitTime
			}
			if !all && now.Sub(n.Time) < whole {
				continue
			}
			if n.Times > 0 {
				n.Time = now
				out = append(out, *n)
			}
			if n.Times == 0 || !n.admitted() || all {
				delete(sums, k)
			} else {
				n.Times = 0 // it has gone on, and may
			}
		}
	}
	s.mu.Unlock()
	for _, n := range out {
		s.out(n)
	}
}
