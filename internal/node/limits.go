package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
)

// setLimits are the limits of all shares together that a LimitRequest has set; nil: those of the settings hold.
type setLimits struct {
	Up      *int64   `json:"up,omitempty"`
	Down    *int64   `json:"down,omitempty"`
	Windows []Window `json:"windows,omitempty"`
}

// firm says which rates of the settings go before those that were set.
type firm struct{ up, down bool }

// over are the limits that hold where a home has set these, and which of them those are.
func (s setLimits) over(n Network, f firm) (l Limits, set []string) {
	l = Limits{Up: n.MaxUp, Down: n.MaxDown, Windows: s.Windows}
	if s.Up != nil && !f.up {
		l.Up, set = *s.Up, append(set, "up")
	}
	if s.Down != nil && !f.down {
		l.Down, set = *s.Down, append(set, "down")
	}
	if len(s.Windows) > 0 {
		set = append(set, "windows")
	}
	return l, set
}

// change takes up what a request changes.
func (s setLimits) change(r LimitRequest) setLimits {
	if r.Up != nil {
		s.Up = r.Up
	}
	if r.Down != nil {
		s.Down = r.Down
	}
	if r.Windows != nil {
		s.Windows = slices.Clone(*r.Windows)
	}
	for _, name := range r.Default {
		switch name {
		case "up":
			s.Up = nil
		case "down":
			s.Down = nil
		}
	}
	return s
}

// maxWindows is more than one for every hour of a week would need if days are named together.
const maxWindows = 64

// maxLinkedPeers bounds the addresses that the peers of one reference resolve to.
const maxLinkedPeers = 64

// days of a week as windows name them, in the order of time.Weekday.
var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// now gives the rates that hold at t; 0: none.
func (l Limits) now(t time.Time) (up, down int64) {
	for _, w := range l.Windows {
		if w.Holds(t) {
			return w.Up, w.Down
		}
	}
	return l.Up, l.Down
}

// Holds says whether t is in the window. A window that was judged cannot fail to parse.
func (w Window) Holds(t time.Time) bool {
	from, err1 := clock(w.From)
	to, err2 := clock(w.To)
	on, err3 := weekdays(w.Days)
	if err1 != nil || err2 != nil || err3 != nil {
		return false
	}
	minute := t.Hour()*60 + t.Minute()
	today := int(t.Weekday())
	if from < to {
		return on[today] && from <= minute && minute < to
	}
	// Past midnight: the evening belongs to the day it begins on, and so does the morning after.
	yesterday := (today + 6) % 7
	return on[today] && minute >= from || on[yesterday] && minute < to
}

// clock reads HH:MM as minutes of the day; 24:00 is its end.
func clock(s string) (int, error) {
	var h, m int
	if len(s) != 5 || s[2] != ':' {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	if _, err := fmt.Sscanf(s, "%02d:%02d", &h, &m); err != nil || h < 0 || m < 0 || m > 59 || h*60+m > 24*60 {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	return h*60 + m, nil
}

// weekdays reads "mon-fri", "sat,sun", "fri-mon"; empty: every day.
func weekdays(s string) (on [7]bool, err error) {
	if s == "" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for part := range strings.SplitSeq(strings.ToLower(s), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, b := weekday(first), weekday(last)
		if !isRange {
			b = a
		}
		if a < 0 || b < 0 {
			return on, fmt.Errorf("%q is no day of the week", part)
		}
		for d := a; ; d = (d + 1) % 7 {
			on[d] = true
			if d == b {
				break
			}
		}
	}
	return on, nil
}

func weekday(s string) int {
	for i, d := range days {
		if s == d {
			return i
		}
	}
	return -1
}

// checkLimits refuses rates and windows that mean nothing.
func checkLimits(l Limits) error {
	if l.Up < 0 || l.Down < 0 {
		return fault.Hint(fault.New(fault.Usage, "a rate is negative"), "none takes the limit away")
	}
	if len(l.Windows) > maxWindows {
		return fault.New(fault.Usage, "%d windows are more than %d", len(l.Windows), maxWindows)
	}
	for _, w := range l.Windows {
		if w.Up < 0 || w.Down < 0 {
			return fault.Hint(fault.New(fault.Usage, "a rate is negative"), "0 is no limit in that window")
		}
		from, err := clock(w.From)
		to, err2 := clock(w.To)
		if err == nil {
			err = err2
		}
		if err != nil {
			return fault.Hint(fault.New(fault.Usage, "window: %w", err), "write it as 08:00 or 18:30; 24:00 is the end of the day")
		}
		if from == to {
			return fault.Hint(fault.New(fault.Usage, "the window from %s to %s is empty", w.From, w.To), "00:00 to 24:00 is the whole day")
		}
		if from == 24*60 {
			return fault.Hint(fault.New(fault.Usage, "a window cannot begin at 24:00"), "00:00 is the beginning of the next day")
		}
		if _, err := weekdays(w.Days); err != nil {
			return fault.Hint(fault.New(fault.Usage, "window: %w", err), "write days as mon-fri or sat,sun, or leave them out for every day")
		}
	}
	return nil
}

// enough says why content of a size has been seeded enough, "" if it has not.
func (p Policy) enough(size, up int64, seeding time.Duration, copies int) string {
	switch {
	case p.Ratio > 0 && size > 0 && float64(up) >= p.Ratio*float64(size):
		return fmt.Sprintf("sent %.2f times its size, and %.2f is enough", float64(up)/float64(size), p.Ratio)
	case p.Time > 0 && seeding >= p.Time:
		return fmt.Sprintf("seeded for %v, and that is enough", p.Time)
	case p.Copies > 0 && copies >= p.Copies:
		return fmt.Sprintf("%s hold every piece, and that is enough", count(copies, "other machine"))
	}
	return ""
}

func checkPolicy(p Policy) error {
	switch {
	case p.Ratio < 0 || p.Ratio != p.Ratio || p.Ratio > 1e9:
		return fault.New(fault.Usage, "%v is no ratio to stop at", p.Ratio)
	case p.Time < 0:
		return fault.New(fault.Usage, "%v is no time to stop after", p.Time)
	case p.Copies < 0:
		return fault.New(fault.Usage, "%d is no number of copies to stop at", p.Copies)
	}
	return nil
}

// checkKeeping judges what publish, fetch and seed requests have in common.
func checkKeeping(l Limits, p Policy, peers, announce []string) error {
	if err := checkLimits(l); err != nil {
		return err
	}
	if err := checkPolicy(p); err != nil {
		return err
	}
	for _, a := range peers {
		if err := checkHostPort(a); err != nil {
			return fault.Hint(fault.New(fault.Usage, "--peer %q: %w", a, err), "write it as HOST:PORT, an IPv6 address in brackets")
		}
	}
	for _, u := range announce {
		if err := catalog.CheckTracker(u); err != nil {
			return fault.Hint(fault.New(fault.Usage, "--tracker: %w", err), "write it as https://HOST/announce or udp://HOST:PORT/announce")
		}
	}
	return nil
}
