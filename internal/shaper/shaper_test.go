package shaper

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// carry has workers take turns of n bytes in f until ctx ends, and counts the bytes.
func carry(ctx context.Context, wg *sync.WaitGroup, s *Shaper, f *Flow, workers, n int) *atomic.Int64 {
	var sum atomic.Int64
	for range workers {
		wg.Go(func() {
			for s.Wait(ctx, f, n) == nil && ctx.Err() == nil {
				sum.Add(int64(n))
			}
		})
	}
	return &sum
}

// within reports whether got is want, give or take two hundredths.
func within(got, want float64) bool { return got > 0.98*want && got < 1.02*want }

func TestFlowsShareFairly(t *testing.T) {
	const rate = 4 << 20
	for _, c := range []struct {
		name           string
		limitA         int64
		wantA, wantB   float64 // bytes a second
		workersA, size int
	}{
		{"many connections get no more than two", 0, rate / 2, rate / 2, 20, 16 << 10},
		{"large turns get no more than small ones", 0, rate / 2, rate / 2, 1, 32 << 10},
		{"one flow's unused share goes to the other", 1 << 20, 1 << 20, rate - 1<<20, 20, 16 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock is not the machine's
				s := New(rate, quiet())
				var a, b Flow
				s.SetFlowRate(&a, c.limitA)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				sumA, sumB := carry(ctx, &wg, s, &a, c.workersA, c.size), carry(ctx, &wg, s, &b, 2, 16<<10)
				const took = 20
				time.Sleep(took * time.Second)
				gotA, gotB := float64(sumA.Load())/took, float64(sumB.Load())/took
				cancel()
				wg.Wait()
				if !within(gotA, c.wantA) || !within(gotB, c.wantB) {
					t.Errorf("got %.0f and %.0f bytes a second, want %.0f and %.0f", gotA, gotB, c.wantA, c.wantB)
				}
			})
		})
	}
}

func TestWithoutLimits(t *testing.T) {
	s := New(0, quiet())
	var f Flow
	if s.Limits(&f) {
		t.Error("without a limit bytes have to wait")
	}
	if err := s.Wait(t.Context(), &f, 1<<40); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, quiet())
		var f Flow
		if err := s.Wait(t.Context(), &f, 1<<30); err != nil { // a debt of 34 years
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.Wait(ctx, &f, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait whose caller gave up: got %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Wait(t.Context(), &f, 1) }()
		synctest.Wait()
		s.SetRate(0)
		if err := <-done; err != nil {
			t.Errorf("after the limit was removed: %v", err)
		}
		if s.Limits(&f) {
			t.Error("the limit is still there")
		}
	})
}
