package engine

import (
	"context"
	"testing"
	"time"
)

func TestDHTTurns(t *testing.T) {
	d := newDHTTurns(time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	taken := 0
	for ctx.Err() == nil {
		leave, err := d.take(ctx, false, 900)
		if err != nil {
			break
		}
		leave()
		taken++
	}
	if taken < dhtBurst || taken > dhtBurst+1 {
		t.Errorf("calm announces at once: got %d, want %d", taken, dhtBurst)
	}
	// Urgent ones do not wait behind them, but for each other.
	var leave []func()
	for range dhtUrgent {
		l, err := d.take(t.Context(), true, 900)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	full, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := d.take(full, true, 900); err == nil {
		t.Errorf("an urgent announce beside %d others: it was let through", dhtUrgent)
	}
	leave[0]()
	if _, err := d.take(t.Context(), true, 900); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

func TestDHTTurnsOrder(t *testing.T) {
	begun := time.Now()
	d := newDHTTurns(begun)
	for _, c := range []struct {
		name   string
		after  time.Duration
		done   bool
		n      int
		hungry bool
		urgent bool
		next   time.Duration
	}{
		{"taken up at the start", time.Second, true, 0, false, false, 5 * time.Second},
		{"again", 30 * time.Second, true, 1, false, false, 15 * time.Second},
		{"in the end", time.Hour, true, 9, false, false, 15 * time.Minute},
		{"published later", time.Hour, true, 0, false, true, 15 * time.Minute},
		{"fetched at the start", time.Second, false, 0, true, true, 5 * time.Second},
		{"fetched from nobody", time.Hour, false, 9, true, true, time.Minute},
		{"fetched from somebody", time.Hour, false, 9, false, true, 15 * time.Minute},
	} {
		now := begun.Add(c.after)
		if got := d.urgentNow(c.done, c.n, now); got != c.urgent {
			t.Errorf("%s: urgent: got %v, want %v", c.name, got, c.urgent)
		}
		if got := d.next(c.n, c.hungry, now); got != c.next {
			t.Errorf("%s: next after %v, want %v", c.name, got, c.next)
		}
	}
}
