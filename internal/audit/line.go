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
	Refused  = "refused"  // and Why
	Served   = "served"   // a connection ended, with Sent, Got and Seconds
	Cut      = "cut"      // a connection was closed because rights had changed
	Garbage  = "garbage"  // pieces that did not verify, Bad of them
	Dropped  = "dropped"  // Times lines were not written, and Why
)

// Line is one event. From is an IP address; without Time it happened when it was added. Times is how often the
// same happened; 0 is once.
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

// times is how often l happened.
func (l Line) times() int64 { return max(l.Times, 1) }

// plain is l with fields that are short, and safe to show, and that hold on to no larger string.
func (l Line) plain() Line {
	for _, f := range []*string{&l.What, &l.Account, &l.Device, &l.From, &l.Entry, &l.Why} {
		*f = plain(*f)
	}
	// A port makes every attempt a kind of its own.
	if a, err := netip.ParseAddrPort(l.From); err == nil {
		l.From = a.Addr().Unmap().String()
	}
	if l.Seconds < 0 || l.Seconds != l.Seconds || l.Seconds > 1e12 {
		l.Seconds = 0 // of a clock that was set, and JSON has no NaN
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

// encode is l as it stands in the file, with its line end.
func (l Line) encode() ([]byte, error) {
	b, err := json.Marshal(l)
	return append(b, '\n'), err
}

// decode reads a line of the file. It answers false for what is none of ours: a torn line, another program's.
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
