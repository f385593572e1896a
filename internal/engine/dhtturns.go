package engine

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	// dhtUrgent and dhtCalm are how many announces may be under way: each holds some tens of queries, and the DHT's
	// server sends 250 packets a second.
	dhtUrgent = 16
	dhtCalm   = 4
	// dhtBurst is how many calm announces need not be spread: whoever has few shares has them announced at once.
	dhtBurst = 20
	// dhtYoung is how long after the start the DHT may know few nodes yet, so that announces are repeated soon.
	dhtYoung = time.Minute
	// dhtTaking is how long after the start torrents come that were there before: the DHT still knows of them.
	dhtTaking = 10 * time.Second
)

// dhtTurns spreads the announces of many torrents. A thousand that start together would have all of them announced at
// once and again after five seconds, and take the processor and the line from who fetches.
type dhtTurns struct {
	begun        time.Time
	urgent, calm chan struct{} // a place for each under way
	pace         *rate.Limiter // of the calm ones
}

func newDHTTurns(now time.Time) *dhtTurns {
	return &dhtTurns{now, make(chan struct{}, dhtUrgent), make(chan struct{}, dhtCalm), rate.NewLimiter(1, dhtBurst)}
}

// take waits for a turn, or for the end of ctx; leave gives it back. Calm announces are paced so that each of all
// torrents comes round in the time of the last of dhtSteps.
func (d *dhtTurns) take(ctx context.Context, urgent bool, torrents int) (leave func(), err error) {
	places := d.urgent
	if !urgent {
		places = d.calm
		every := dhtSteps[len(dhtSteps)-1].Seconds()
		if want := rate.Limit(max(1, 1.2*float64(torrents)/every)); d.pace.Limit() != want {
			d.pace.SetLimit(want)
		}
		if err := d.pace.Wait(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// urgentNow says whether the n-th announce of a torrent cannot wait its turn: somebody is fetching it here, or it is
// new and may be waited for.
func (d *dhtTurns) urgentNow(done bool, n int, now time.Time) bool {
	return !done || n == 0 && now.Sub(d.begun) > dhtTaking
}

// next is the pause after the n-th announce.
func (d *dhtTurns) next(n int, hungry bool, now time.Time) time.Duration {
	wait := dhtSteps[min(n, len(dhtSteps)-1)]
	switch {
	case hungry:
		wait = min(wait, time.Minute)
	case now.Sub(d.begun) > dhtYoung:
		wait = dhtSteps[len(dhtSteps)-1]
	}
	return wait
}
