package places

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hall gives places to names "a1", "a2", …, whose origin is their letter, and records which were displaced.
type hall struct {
	*Places[string]
	held map[string]*Place[string]
	gone []string
}

func newHall(p *Places[string]) *hall { return &hall{Places: p, held: map[string]*Place[string]{}} }

func (h *hall) enter(names ...string) *hall {
	for _, n := range names {
		h.held[n] = h.Take(strings.TrimRight(n, "0123456789"), func() { h.gone = append(h.gone, n) })
	}
	return h
}

// crowd returns n names of an origin.
func crowd(origin string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint(origin, i+1))
	}
	return out
}

func TestDisplaced(t *testing.T) {
	for _, c := range []struct {
		name        string
		most, share int
		come        []string
		gone        string
	}{
		{"there is room", 3, 3, []string{"a1", "b1", "c1"}, "[]"},
		{"the oldest of an origin that has its share", 10, 2, []string{"b1", "a1", "a2", "a3"}, "[a1]"},
		{"the oldest of all among few", 3, 3, []string{"a1", "b1", "b2", "c1"}, "[a1]"},
		{"one of the origin with the most", 8, 8, slices.Concat([]string{"b1"}, crowd("a", 6), []string{"b2", "b3"}), "[a1]"},
		{"the same origin again, down to few", 8, 8, slices.Concat([]string{"b1"}, crowd("a", 7), crowd("c", 3)), "[a1 a2 a3]"},
		{"then the oldest of all", 8, 8, slices.Concat([]string{"b1"}, crowd("a", 7), crowd("c", 4)), "[a1 a2 a3 b1]"},
		{"the older of two with equally many", 10, 10, slices.Concat(crowd("b", 5), crowd("a", 5), []string{"c1"}), "[b1]"},
		{"the newcomer's own origin, if it has the most", 8, 8, append(crowd("a", 8), "a9"), "[a1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHall(New[string](c.most, c.share)).enter(c.come...)
			if got := fmt.Sprint(h.gone); got != c.gone {
				t.Errorf("got %s, want %s", got, c.gone)
			}
			if h.held[c.come[len(c.come)-1]] == nil {
				t.Error("the newcomer was refused")
			}
			if want := len(c.come) - len(h.gone); h.Len() != want {
				t.Errorf("got %d places held, want %d", h.Len(), want)
			}
		})
	}
}

func TestLeftPlacesAreFree(t *testing.T) {
	h := newHall(New[string](2, 2)).enter("a1", "b1")
	if !h.Full() || !h.held["a1"].Leave() || h.held["a1"].Leave() || h.Full() {
		t.Error("a place can be left twice, or not at all")
	}
	h.held["a1"].Touch() // has no effect after Leave
	h.enter("c1")
	if len(h.gone) > 0 {
		t.Errorf("%v were displaced though there was room", h.gone)
	}
	h.enter("d1")
	if got := fmt.Sprint(h.gone); got != "[b1]" || h.held["b1"].Leave() {
		t.Errorf("got %s, want b1 displaced", got)
	}
	var none *Place[string]
	none.Touch()
	if none.Leave() {
		t.Error("a nil place was held")
	}
}

func TestTouchedStays(t *testing.T) {
	h := newHall(New[string](3, 3)).enter("a1", "b1", "c1")
	h.held["a1"].Touch()
	h.enter("d1", "e1")
	if got := fmt.Sprint(h.gone); got != "[b1 c1]" {
		t.Errorf("got %s, want [b1 c1]", got)
	}
}

// A busy peer keeps its place from an origin with as many places, but not from one with fewer.
func TestBusy(t *testing.T) {
	now := time.Unix(0, 0)
	busy := func(most int, names ...string) *hall {
		h := newHall(NewBusy[string](most, most, 10*time.Second, func() time.Time { return now })).enter(names...)
		for _, n := range names {
			h.held[n].Touch()
		}
		return h
	}
	h := busy(3, "a1", "b1", "c1").enter("d1")
	if h.held["d1"] != nil || len(h.gone) > 0 {
		t.Errorf("all are busy: got %v displaced", h.gone)
	}
	now = now.Add(11 * time.Second)
	if h.enter("d1"); fmt.Sprint(h.gone) != "[a1]" {
		t.Errorf("none is busy any more: got %v displaced, want [a1]", h.gone)
	}
	h = busy(6, crowd("a", 6)...)
	if h.enter("a7"); h.held["a7"] != nil {
		t.Error("a newcomer displaced a busy one of its own origin")
	}
	if h.enter("b1"); fmt.Sprint(h.gone) != "[a1]" {
		t.Errorf("an origin with all places: got %v displaced, want [a1]", h.gone)
	}
	if h = busy(3, "a1", "b1").enter("c1", "d1"); fmt.Sprint(h.gone) != "[c1]" || h.held["d1"] == nil {
		t.Errorf("got %v displaced, want the idle one", h.gone)
	}
}

// The counts stay right under concurrent use.
func TestConcurrent(t *testing.T) {
	p := New[int](64, 16)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			var held []*Place[int]
			for i := range 5000 {
				held = append(held, p.Take((w*i)%23, func() {}))
				held[(i*7)%len(held)].Touch()
				if i%3 == 0 {
					held[(i*5)%len(held)].Leave()
				}
			}
			for _, pl := range held {
				pl.Leave()
			}
		})
	}
	wg.Wait()
	if p.Len() != 0 || len(p.groups) != 0 || len(p.sizes) != 0 || p.top != 0 {
		t.Errorf("after all have left: %d places, %d groups, %d sizes, top %d", p.Len(), len(p.groups), len(p.sizes), p.top)
	}
}

func TestOrigin(t *testing.T) {
	for at, want := range map[string]string{
		"192.0.2.7:6881":              "192.0.2.7/32",
		"[::ffff:192.0.2.7]:6881":     "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:6881": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:6881":         "fe80::1/128",
		"[::1]:6881":                  "::1/128",
		"pipe":                        "invalid Prefix",
	} {
		if got := Origin(at).String(); got != want {
			t.Errorf("%s: got %s, want %s", at, got, want)
		}
	}
}
