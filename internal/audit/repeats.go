package audit

import "time"

// kind is what repeats of a refusal have in common.
type kind struct {
	What, Account, Device, From, Entry, Why string
}

// repeats counts repeated refusals in this window. The zero value is empty.
type repeats struct {
	known map[kind]*count
	order []kind       // in the order of their first line
	kinds map[bool]int // kinds distinguished by all fields: of known accounts (true), and of strangers
}

type count struct {
	times int64 // beyond the first
	last  time.Time
}

// any reports whether a window is open.
func (r *repeats) any() bool { return len(r.known) > 0 }

// add counts a line. If it is the first of its kind, add returns the line to write, and true.
func (r *repeats) add(l Line) (Line, bool) {
	k := kind{l.What, l.Account, l.Device, l.From, l.Entry, l.Why}
	named := l.Account != ""
	if r.known == nil {
		r.known, r.kinds = map[kind]*count{}, map[bool]int{}
	}
	if r.known[k] == nil && r.kinds[named] >= maxKinds {
		// Too many: distinguish the rest only by their reason.
		k = kind{What: l.What, Why: l.Why}
		if r.known[k] == nil && len(r.known)-r.kinds[true]-r.kinds[false] >= maxReasons {
			k.Why = "various"
		}
		l.Account, l.Device, l.From, l.Entry, l.Why = "", "", "", "", k.Why
	}
	if c := r.known[k]; c != nil {
		c.times += l.times()
		c.last = l.Time
		return l, false
	}
	if r.kinds[named] < maxKinds {
		r.kinds[named]++
	}
	r.known[k] = &count{}
	r.order = append(r.order, k)
	return l, true
}

// take returns a line for each kind that was repeated, in the order of their first lines, and forgets all.
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
