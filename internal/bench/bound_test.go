package bench_test

import (
	"math"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/bench"
)

const mbit = 1e6 / 8

func TestBound(t *testing.T) {
	for _, c := range []struct {
		name  string
		links bench.Links
		want  float64
	}{
		{"limited by sending one copy from the origin", bench.Links{Peers: 12, Size: 64e6, OriginUp: 80 * mbit, Up: 80 * mbit, Down: 80 * mbit}, 6.4},
		{"a slow origin", bench.Links{Peers: 12, Size: 64e6, OriginUp: 40 * mbit, Up: 80 * mbit, Down: 80 * mbit}, 12.8},
		{"slow to receive", bench.Links{Peers: 12, Size: 64e6, OriginUp: 80 * mbit, Up: 80 * mbit, Down: 20 * mbit}, 25.6},
		{"a quarter of the uplink", bench.Links{Peers: 12, Size: 64e6, OriginUp: 80 * mbit, Up: 20 * mbit, Down: 80 * mbit}, 12 * 64e6 / ((80 + 12*20) * mbit)},
		{"fetchers that send almost nothing", bench.Links{Peers: 10, Size: 10e6, OriginUp: 80 * mbit, Up: 1, Down: 80 * mbit}, 10.0},
		{"no limits", bench.Links{Peers: 1, Size: 1e9}, 0},
		{"no limit on uploads", bench.Links{Peers: 5, Size: 10e6, Down: 80 * mbit}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.links.Bound(); math.Abs(got-c.want) > 1e-4 {
				t.Errorf("got %v s, want %v", got, c.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name string
		in   []float64
		want float64
	}{
		{"one", []float64{3}, 3},
		{"odd, unsorted", []float64{5, 1, 3}, 3},
		{"even", []float64{1, 2, 4, 8}, 3},
		{"most ended", []float64{inf, 2, 1}, 2},
		{"half ended", []float64{1, inf}, inf},
		{"most did not", []float64{inf, inf, 1}, inf},
	} {
		if got := bench.Median(c.in); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got := bench.Median(nil); !math.IsNaN(got) {
		t.Errorf("of nothing: got %v, want NaN", got)
	}
	in := []float64{2, 1}
	if bench.Median(in); in[0] != 2 {
		t.Error("median reordered the values")
	}
}

func TestTimeLimit(t *testing.T) {
	if got := bench.TimeLimit(1, 0, 12); got != 150*time.Second {
		t.Errorf("of a quick swarm: got %v, want 2m30s", got)
	}
	if got, want := bench.TimeLimit(100, time.Second, 30), 1230*time.Second; got != want {
		t.Errorf("of a slow one that starts one after the other: got %v, want %v", got, want)
	}
}
