package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// carry has workers take turns of n bytes in f until ctx ends, and counts them.
func carry(ctx context.Context, wg *sync.WaitGroup, s *shaper, f *flow, workers, n int) *atomic.Int64 {
	var sum atomic.Int64
	for range workers {
		wg.Go(func() {
			for s.wait(ctx, f, n) == nil && ctx.Err() == nil {
				sum.Add(int64(n))
			}
		})
	}
	return &sum
}

// between says whether got is want, give or take a quarter: the machine may be busy.
func between(got, want float64) bool { return got > 0.75*want && got < 1.25*want }

func TestShaperSharesFairly(t *testing.T) {
	const rate = 4 << 20
	for _, c := range []struct {
		name           string
		limitA         int64
		wantA, wantB   float64 // bytes a second
		workersA, size int
	}{
		{"many connections get no more than one", 0, rate / 2, rate / 2, 20, 16 << 10},
		{"large turns get no more than small ones", 0, rate / 2, rate / 2, 1, 32 << 10},
		{"what one may not use goes to the other", 1 << 20, 1 << 20, rate - 1<<20, 20, 16 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShaper(rate, testLog(t))
			var a, b flow
			s.setFlow(&a, c.limitA)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			defer wg.Wait()
			sumA, sumB := carry(ctx, &wg, s, &a, c.workersA, c.size), carry(ctx, &wg, s, &b, 2, 16<<10)
			begun := time.Now()
			for time.Since(begun) < 2*time.Second {
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
			took := time.Since(begun).Seconds()
			gotA, gotB := float64(sumA.Load())/took, float64(sumB.Load())/took
			if !between(gotA, c.wantA) || !between(gotB, c.wantB) {
				t.Errorf("got %.0f and %.0f bytes a second, want %.0f and %.0f", gotA, gotB, c.wantA, c.wantB)
			}
		})
	}
}

func TestShaperWithoutLimits(t *testing.T) {
	s := newShaper(0, testLog(t))
	var f flow
	if s.limits(&f) {
		t.Error("without a limit bytes have to wait")
	}
	if err := s.wait(t.Context(), &f, 1<<40); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func TestShaperLetsGo(t *testing.T) {
	s := newShaper(1, testLog(t))
	var f flow
	if err := s.wait(t.Context(), &f, 1<<30); err != nil { // a debt of 34 years
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.wait(ctx, &f, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait whose caller gave up: got %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.wait(t.Context(), &f, 1) }()
	s.setRate(0)
	if err := <-done; err != nil {
		t.Errorf("after the limit was taken away: %v", err)
	}
	if s.limits(&f) {
		t.Error("the limit is still there")
	}
}
