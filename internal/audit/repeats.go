package audit

import "time"

// kind is what refusals have in common that are summed up.
type kind struct {
	What, Account, Device, From, Entry, Why string
}

// repeats counts refusals that came before in this window. The zero value is empty.
type repeats struct {
	known map[kind]*count
	order []kind // as they came first
	kinds int    // told apart by all that is known of them
}

type count struct {
	times int64 // beyond the first
	last  time.Time
}

// any says whether a window is open.
func (r *repeats) any() bool { return len(r.known) > 0 }

// add counts a line. It answers the line to write, and true, if it is the first of its kind.
func (r *repeats) add(l Line) (Line, bool) {
	k := kind{l.What, l.Account, l.Device, l.From, l.Entry, l.Why}
	if r.known == nil {
		r.known = map[kind]*count{}
	}
	if r.known[k] == nil && r.kinds >= maxKinds {
		// Too many: of the others only the reason is told.
		k = kind{What: l.What, Why: l.Why}
		if r.known[k] == nil && len(r.known) >= maxKinds+maxReasons {
			k.Why = "various"
		}
		l.Account, l.Device, l.From, l.Entry, l.Why = "", "", "", "", k.Why
	}
	if c := r.known[k]; c != nil {
		c.times += l.times()
		c.last = l.Time
		return l, false
	}
	if r.kinds < maxKinds {
		r.kinds++
	}
	r.known[k] = &count{}
	r.order = append(r.order, k)
	return l, true
}

// take answers a line for each kind that was repeated, in the order in which they came first, and forgets all.
func (r *repeats) take() []Line {
	var out []Line
	for _, k := range r.order {
		if c := r.known[k]; c.times > 0 {
			out = append(out, Line{Time: c.last, What: k.What, Account: k.Account, Device: k.Device, From: k.From, Entry: k.Entry, Why: k.Why, Times: c.times})
		}
	}
	*r = repeats{}
	return out
}
