package webseed

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/content"
)

const (
	costPieces = 5000
	costPeers  = 100
)

// known is a store that knows every hash.
type known struct{}

func (known) Knows(int) bool                                 { return true }
func (known) Put(int, []byte) (right, fresh bool, err error) { return true, true, nil }

// crowd makes a fetch of 5,000 pieces with a hundred p2pshare peers, of which holders have half of the pieces.
func crowd(holders int) (*fetch, *source, View) {
	f := &fetch{
		o: Options{
			Wanted: [][2]int{{0, costPieces}}, Store: known{}, patience: patience{steal: stealFirst},
			Layout: &content.Layout{PieceLength: 1 << 20},
		},
		taken: map[int]bool{},
	}
	s := &source{host: &host{allowed: 2}, rate: 10e6, size: 4 << 20}
	f.sources = []*source{s}
	f.steal.wait = stealFirst
	random := rand.NewChaCha8([32]byte{})
	v := View{Missing: make([]bool, costPieces), Begun: make([]bool, costPieces), Holders: make([]int32, costPieces)}
	for i := range costPieces {
		v.Missing[i] = true
		for range holders {
			v.Holders[i] += int32(random.Uint64() & 1)
		}
	}
	random.Read(v.Me[:])
	v.Rivals = make([][20]byte, costPeers)
	for i := range v.Rivals {
		random.Read(v.Rivals[i][:])
	}
	return f, s, v
}

// BenchmarkPick measures choosing what to request from a server. This happens for each range of rangeTime, and on idle
// connections every half lookEvery: 20 to 30 times a second.
func BenchmarkPick(b *testing.B) {
	for _, c := range []struct {
		name    string
		holders int
		deliver bool
	}{{"nobody has anything", 0, false}, {"half is everywhere", costPeers, false}, {"peers deliver", costPeers, true}} {
		b.Run(c.name, func(b *testing.B) {
			f, s, v := crowd(c.holders)
			if c.deliver {
				f.pace.peerRate = 1
			}
			now := time.Now()
			for b.Loop() {
				f.choose(s, v, -1, now)
			}
		})
	}
}

// TestEscape checks that every character that some server interprets is escaped, including those that are not allowed in
// names on some systems.
func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"a+b c": "a%2Bb%20c", "=&@:$;,": "%3D%26%40%3A%24%3B%2C", "!'()*[]": "%21%27%28%29%2A%5B%5D", "#?%": "%23%3F%25",
		"Az09-._~": "Az09-._~", "ü\xff": "%C3%BC%FF", "\\|<>\"": "%5C%7C%3C%3E%22",
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q): got %q, want %q", in, got, want)
		}
	}
}
