package engine

import (
	"context"
	"sync"
	"time"
)

// Meeting is a place in the DHT and on the LAN where machines find each other by an infohash that no torrent has.
// Groups meet so, under another one each day.
type Meeting struct {
	e     *Engine
	place [20]byte
	found func(addr string)

	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
}

// MeetingOptions say how to take part.
type MeetingOptions struct {
	Place  [20]byte
	Silent bool // look only, and do not say that we are there
	// Found is told of addresses, host:port, each as often as it is heard of, from any goroutine. They are anybody's
	// word.
	Found func(addr string)
}

// Meet takes part in a meeting until Close. Others find the engine's own port.
func (e *Engine) Meet(o MeetingOptions) *Meeting {
	ctx, cancel := context.WithCancel(e.ctx)
	m := &Meeting{e: e, place: o.Place, found: o.Found, cancel: cancel}
	e.mu.Lock()
	e.meetings[m] = struct{}{}
	e.mu.Unlock()
	if e.lan != nil && !o.Silent {
		e.lan.add(m)
	}
	if e.dht != nil {
		m.wg.Go(e.persist(ctx, "announcing a meeting", func() { m.keepAnnounced(ctx, o.Silent) }))
	}
	return m
}

// Close leaves the meeting and waits for what was started.
func (m *Meeting) Close() {
	m.once.Do(func() {
		m.cancel()
		if m.e.lan != nil {
			m.e.lan.remove(m)
		}
		m.e.mu.Lock()
		delete(m.e.meetings, m)
		m.e.mu.Unlock()
	})
	m.wg.Wait()
}

func (m *Meeting) shorts() [][20]byte { return [][20]byte{m.place} }
func (m *Meeting) Private() bool      { return false }
func (m *Meeting) hungry() bool       { return false }
func (m *Meeting) answers() bool      { return true }

func (m *Meeting) keepAnnounced(ctx context.Context, silent bool) {
	port := m.e.Port()
	if silent {
		port = 0
	}
	for i := 0; ; i++ {
		m.e.dht.announce(ctx, m.place, port, m.found)
		timer := time.NewTimer(dhtSteps[min(i, len(dhtSteps)-1)])
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
