package bench

import (
	"math"
	"slices"
)

// Links describes a swarm of an origin and Peers fetchers: Size in bytes, rates in bytes per second, 0 for no limit.
type Links struct {
	Peers    int
	Size     int64
	OriginUp int64
	Up, Down int64
}

// Bound returns the minimum time in seconds for all fetchers to get everything (Kumar and Ross, "Peer-assisted file
// distribution: the minimum distribution time", 2006): max(F/u_origin, F/d, N*F/(u_origin + N*u)).
func (l Links) Bound() float64 {
	n, f := float64(l.Peers), float64(l.Size)
	rate := func(r int64) float64 {
		if r <= 0 {
			return math.Inf(1)
		}
		return float64(r)
	}
	origin, up, down := rate(l.OriginUp), rate(l.Up), rate(l.Down)
	return max(f/origin, f/down, n*f/(origin+n*up))
}

// median returns the median; values may be infinite, for a run that never ended. For an even number of values it is the mean
// of the middle two, for none it is NaN.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	if len(v)%2 == 1 || math.IsInf(v[mid], 1) {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}
