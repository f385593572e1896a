package audit

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What happened.
const (
	Admitted = "admitted" // a connection was let in
	Refused  = "refused"  // a connection or request was refused; Why says the reason
	Served   = "served"   // a connection ended, with Sent, Got and Seconds
	Cut      = "cut"      // a connection was closed because rights had changed
	Garbage  = "garbage"  // Bad pieces did not verify
	Dropped  = "dropped"  // Times lines were not written; Why says the reason
)

// Line is one event. From is an IP address; Add sets a zero Time to now. Times is how often the same event happened; 0
// means once.
type Line struct {
	Time    time.Time `json:"time"`
	What    string    `json:"what"`
	Account string    `json:"account,omitempty"`
	Device  string    `json:"device,omitempty"`
	From    string    `json:"from,omitempty"`
	Entry   string    `json:"entry,omitempty"`
	Why     string    `json:"why,omitempty"`
	Sent    int64     `json:"sent,omitempty"` // bytes
	Got     int64     `json:"got,omitempty"`
	Bad     int64     `json:"bad,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Times   int64     `json:"times,omitempty"`
}

// times returns how often l happened.
func (l Line) times() int64 { return max(l.Times, 1) }

// plain returns l with fields that are short and safe to show, and that do not keep larger strings alive.
func (l Line) plain() Line {
	for _, f := range []*string{&l.What, &l.Account, &l.Device, &l.From, &l.Entry, &l.Why} {
		*f = plain(*f)
	}
	// The port is dropped: it would make every attempt a kind of its own.
	if a, err := netip.ParseAddrPort(l.From); err == nil {
		l.From = a.Addr().Unmap().String()
	}
	if l.Seconds < 0 || l.Seconds != l.Seconds || l.Seconds > 1e12 {
		l.Seconds = 0 // the clock was set back, or it is NaN, which JSON does not have
	}
	return l
}

func plain(s string) string {
	cut := s[:min(len(s), maxField)]
	for len(cut) < len(s) && len(cut) > 0 && !utf8.RuneStart(s[len(cut)]) {
		cut = cut[:len(cut)-1]
	}
	return strings.Clone(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, cut))
}

// encode returns l as it is in the file, with its line end.
func (l Line) encode() ([]byte, error) {
	b, err := json.Marshal(l)
	return append(b, '\n'), err
}

// decode parses a line of the file. It returns false for a line that is torn or not ours.
func decode(b []byte) (Line, bool) {
	var l Line
	if len(b) > maxLine || json.Unmarshal(b, &l) != nil || l.What == "" || l.Time.IsZero() {
		return Line{}, false
	}
	if l.Times < 0 || l.Sent < 0 || l.Got < 0 || l.Bad < 0 {
		return Line{}, false
	}
	return l.plain(), true
}
