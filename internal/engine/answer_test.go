package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const oneOfEach = "5:peers12:\x08\x08\x08\x08\x1a\xe1\x01\x01\x01\x01\x1a\xe26:peers618:\x26\x06\x47\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a\xe3"

// TestParseAnswer: what is odd in an answer costs nothing but itself.
func TestParseAnswer(t *testing.T) {
	const three = "8.8.8.8:6881 1.1.1.1:6882 [2606:4700::1]:6883"
	list := "5:peersld2:ip7:8.8.8.84:porti6881eed7:peer id20:aaaaaaaaaaaaaaaaaaaa2:ip12:2606:4700::14:porti6883eee"
	for _, c := range []struct {
		name, in string
		interval time.Duration
		peers    string
		err      string
	}{
		{"compact", "d8:intervali1800e" + oneOfEach + "e", 1800 * time.Second, three, ""},
		{"a list", "d8:intervali60e" + list + "e", time.Minute, "8.8.8.8:6881 [2606:4700::1]:6883", ""},
		{"no interval", "d" + oneOfEach + "e", 0, three, ""},
		{"interval of text", "d8:interval4:many" + oneOfEach + "e", 0, three, ""},
		{"interval of a list", "d8:intervalli1ee" + oneOfEach + "e", 0, three, ""},
		{"interval beyond 64 bits", "d8:intervali99999999999999999999e" + oneOfEach + "e", trackerMost, three, ""},
		{"interval of years", "d8:intervali9223372036854775807e" + oneOfEach + "e", trackerMost, three, ""},
		{"interval of digits", "d8:interval4:1800" + oneOfEach + "e", 1800 * time.Second, three, ""},
		{"interval with zeros", "d8:intervali0060e" + oneOfEach + "e", time.Minute, three, ""},
		{"interval with a fraction", "d8:intervali60.5e" + oneOfEach + "e", time.Minute, three, ""},
		{"interval 0", "d8:intervali0e" + oneOfEach + "e", 0, three, ""},
		{"min interval of a list", "d8:intervali60e12:min intervalle" + oneOfEach + "e", time.Minute, three, ""},
		{"warning of a number", "d" + oneOfEach + "15:warning messagei7ee", 0, three, ""},
		{"peers6 of dictionaries", "d6:peers6ld2:ip12:2606:4700::14:porti6883eeee", 0, "[2606:4700::1]:6883", ""},
		{"an address in brackets, and blanks", "d5:peersld2:ip14:[2606:4700::1]4:porti6883eed2:ip9: 8.8.8.8 4:porti6881eeee", 0, "[2606:4700::1]:6883 8.8.8.8:6881", ""},
		{"an address of bytes", "d5:peersld2:ip4:\x08\x08\x08\x084:porti6881eeee", 0, "8.8.8.8:6881", ""},
		{"a port of text", "d5:peersld2:ip7:8.8.8.84:port4:6881eee", 0, "8.8.8.8:6881", ""},
		{"a list that misses an end", "d5:peersld2:ip7:8.8.8.84:porti6881eee", 0, "8.8.8.8:6881", ""},
		{"only a warning", "d15:warning message4:helle", 0, "", ""},
		{"interval negative", "d8:intervali-2147483648e" + oneOfEach + "e", 0, three, ""},
		{"interval empty", "d8:intervalie" + oneOfEach + "e", 0, three, ""},
		{"counts of text", "d8:complete3:few10:incomplete1:x" + oneOfEach + "e", 0, three, ""},
		{"tracker id of a number", "d" + oneOfEach + "10:tracker idi7ee", 0, three, ""},
		{"failure of a number", "d14:failure reasoni7e" + oneOfEach + "e", 0, three, ""},
		{"unknown things", "d1:ad1:bli1e1:xee" + oneOfEach + "1:z0:e", 0, three, ""},
		{"not sorted", "d" + oneOfEach + "8:intervali60ee", time.Minute, three, ""},
		{"white space before it", "\ufeff\r\n\t d" + oneOfEach + "e", 0, three, ""},
		{"something after it", "d" + oneOfEach + "e\r\n", 0, three, ""},
		{"no end", "d" + oneOfEach, 0, three, ""},
		{"half a peer too many", "d5:peers9:\x08\x08\x08\x08\x1a\xe1\x01\x01\x01e", 0, "8.8.8.8:6881", ""},
		{"cut off in the peers", "d5:peers1200:\x08\x08\x08\x08\x1a\xe1\x01\x01", 0, "8.8.8.8:6881", ""},
		{"cut off in the list", "d5:peersld2:ip7:8.8.8.84:porti6881eed2:ip7:1.1", 0, "8.8.8.8:6881", ""},
		{"port 0", "d5:peers6:\x08\x08\x08\x08\x00\x00e", 0, "", ""},
		{"mapped", "d6:peers618:\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x08\x08\x08\x08\x1a\xe1e", 0, "8.8.8.8:6881", ""},
		{"odd peers in a list", "d5:peersli1e0:led2:ip3:a b4:porti1eed2:ipi1e4:porti1eed2:ip7:8.8.8.84:port4:manyed2:ip7:8.8.8.84:porti70000eed2:ip7:1.1.1.14:porti6882eeee", 0, "1.1.1.1:6882", ""},
		{"peers of a number", "d8:intervali60e5:peersi7ee", time.Minute, "", ""},
		{"nobody", "d5:peers0:e", 0, "", ""},
		{"only an interval", "d8:intervali60ee", time.Minute, "", ""},
		{"refused", "d14:failure reason9:go awayh\x1b" + oneOfEach + "e", 0, "", `it refuses: "go awayh\x1b"`},
		{"refused at length", "d14:failure reason5000:" + strings.Repeat("n", 5000) + "e", 0, "", "nnn"},
		{"empty", "", 0, "", "not one of a tracker"},
		{"a page", "<html>", 0, "", "not one of a tracker"},
		{"a list at the top", "le", 0, "", "not one of a tracker"},
		{"nothing of a tracker", "d1:a1:be", 0, "", "not one of a tracker"},
		{"only a key", "d5:peers", 0, "", "not one of a tracker"},
		{"deep", "d5:peers" + strings.Repeat("l", 1<<15) + strings.Repeat("e", 1<<15) + "e", 0, "", ""},
		{"deep dictionaries", strings.Repeat("d1:a", 1<<14), 0, "", "not one of a tracker"},
	} {
		a, err := parseAnswer([]byte(c.in))
		var peers []string
		for _, p := range a.peers {
			peers = append(peers, p.String())
		}
		if got := strings.Join(peers, " "); got != c.peers || a.interval != c.interval {
			t.Errorf("%s: got %v %q, want %v %q", c.name, a.interval, got, c.interval, c.peers)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.err)
		}
		if err != nil && len(err.Error()) > 2*maxFailure {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
}

// TestParseAnswerWords: what a tracker says to people, and of when it wants to hear of us.
func TestParseAnswerWords(t *testing.T) {
	for _, c := range []struct {
		in, warning, id string
		least, retry    time.Duration
		reason          string
	}{
		{in: "d8:intervali60e12:min intervali30e10:tracker id2:xy15:warning message9:\tbe kind\x00e", warning: "be kind", id: "xy", least: 30 * time.Second},
		{in: "d12:min interval2:305:peers0:e", least: 30 * time.Second},
		{in: "d5:peers0:15:warning message5:a\xff\xfebce", warning: "abc"},
		{in: "d5:peers0:15:warning message900:" + strings.Repeat("w", 900) + "e", warning: strings.Repeat("w", maxFailure)},
		{in: "d5:peers0:10:tracker id900:" + strings.Repeat("i", 900) + "e"},
		{in: "d14:failure reason4:full8:retry ini15ee", reason: "full", retry: 15 * time.Minute},
		{in: "d8:retry in5:never14:failure reason3:badi1e", reason: "bad", retry: trackerNever},
		{in: "d14:failure reason4:full8:retry in2:15e", reason: "full", retry: 15 * time.Minute},
		{in: "d14:failure reason4:full8:retry ini-1ee", reason: "full"},
		{in: "d14:failure reason4:full8:retry inlee", reason: "full"},
		{in: "d14:failure reason4:full8:retry ini99999999999999999999ee", reason: "full", retry: trackerMost},
	} {
		a, err := parseAnswer([]byte(c.in))
		said, _ := errors.AsType[*refusal](err)
		if said == nil {
			said = &refusal{}
		}
		if a.warning != c.warning || a.id != c.id || a.minInterval != c.least || said.reason != c.reason || said.retryIn != c.retry {
			t.Errorf("%.60q: got %+v, %+v; want %+v", c.in, a, said, c)
		}
	}
}

// TestParseAnswerNames: a name is a name, and no address in disguise.
func TestParseAnswerNames(t *testing.T) {
	for in, want := range map[string]bool{
		"localhost": true, "peer.example": true, "peer.example.": true, "a_b-c.EXAMPLE": true, "xn--bcher-kva.example": true,
		"0x7f.1": false, "2130706433": false, "127.1": false, "host:80": false, "a/b": false, "a b": false, "-": false, ".": false, "a..1": false,
		strings.Repeat("a", 300): false, "ä.example": false,
	} {
		a, err := parseAnswer(fmt.Appendf(nil, "d5:peersld2:ip%d:%s4:porti6881eeee", len(in), in))
		if err != nil || len(a.names) == 1 != want || len(a.peers) > 0 {
			t.Errorf("%q: got %v and %v, %v; want a name: %v", in, a.names, a.peers, err, want)
		}
	}
	many := "d5:peersl" + strings.Repeat("d2:ip1:a4:porti6881ee", 100) + "ee"
	if a, _ := parseAnswer([]byte(many)); len(a.names) != trackerMaxNames {
		t.Errorf("got %d names, want %d at most", len(a.names), trackerMaxNames)
	}
}

// Of many peers few are kept, and few is what they take, in every form.
func TestParseAnswerIsBounded(t *testing.T) {
	for name, in := range map[string]string{
		"compact": "d5:peers60000:" + strings.Repeat("\x08\x08\x08\x08\x1a\xe1", 10_000) + "e",
		"a list":  "d5:peersl" + strings.Repeat("d2:ip7:8.8.8.84:porti6881ee", 2_000) + "ee",
		"both":    "d5:peers6000:" + strings.Repeat("\x08\x08\x08\x08\x1a\xe1", 1000) + "6:peers618000:" + strings.Repeat("\x26\x06\x47\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1a\xe3", 1000) + "e",
	} {
		a, err := parseAnswer([]byte(in))
		if err != nil || len(a.peers) != trackerMaxPeers {
			t.Errorf("%s: got %d peers, %v; want %d", name, len(a.peers), err, trackerMaxPeers)
		}
		most := 60 + float64(trackerMaxPeers) // the list as it grows, and a text for each address
		if n := testing.AllocsPerRun(5, func() { _, _ = parseAnswer([]byte(in)) }); n > most {
			t.Errorf("%s: got %v allocations, want %v at most", name, n, most)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("d8:intervali1800e" + oneOfEach + "e"))
	f.Add([]byte("d14:failure reason2:nope"))
	f.Add([]byte("d5:peersld2:ip7:8.8.8.84:porti6881eeee"))
	f.Add([]byte("d5:peers1200:\x08\x08"))
	f.Add([]byte("d5:peers"))
	f.Add(bytes.Repeat([]byte("d1:a"), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAnswer(b)
		if err != nil && len(a.peers) > 0 || len(a.peers) > trackerMaxPeers || a.interval < 0 || a.interval > trackerMost || len(a.names) > trackerMaxNames {
			t.Errorf("got %+v, %v", a, err)
		}
		for _, p := range a.peers {
			if !p.IsValid() || p.Port() == 0 || p.Addr().Is4In6() {
				t.Errorf("got the peer %v", p)
			}
		}
		_ = fmt.Sprint(err)
	})
}
