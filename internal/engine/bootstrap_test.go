package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestBootstrap has name servers answer, refuse and say nothing: what waits for them waits as long as it has to, and goes
// when it is to end.
func TestBootstrap(t *testing.T) {
	never := func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	answers := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}
	for _, c := range []struct {
		name  string
		look  func(context.Context, string) ([]netip.Addr, error)
		ends  time.Duration // of who waits; 0: never
		after time.Duration
		nodes int
	}{
		{"all answer", answers, 0, 0, 3},
		{"none is there", func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }, 0, 0, 0},
		{"nothing answers", never, 0, bootstrapWait, 0},
		{"nothing answers, and who waits ends", never, 100 * time.Millisecond, 100 * time.Millisecond, 0},
		{"one answers", func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == "b" {
				time.Sleep(time.Second)
				return answers(ctx, host)
			}
			return never(ctx, host)
		}, 0, time.Second, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				b := newBootstrap(ctx, []string{"a:1", "b:2", "c:3"}, func(netip.AddrPort) {})
				b.look = c.look
				waiter, stop := context.WithCancel(ctx)
				if c.ends > 0 {
					waiter, stop = context.WithTimeout(ctx, c.ends)
				}
				defer stop()
				begun := time.Now()
				known := b.wait(waiter)
				if took := time.Since(begun); took != c.after {
					t.Errorf("waited %v, want %v", took, c.after)
				}
				synctest.Wait()
				if c.ends == 0 {
					if known != (c.nodes > 0) {
						t.Errorf("got known %v, want %v", known, c.nodes > 0)
					}
					if got, err := b.nodes(); err != nil || len(got) != c.nodes {
						t.Errorf("got %v, %v, want %d nodes", got, err, c.nodes)
					}
				}
			})
		})
	}
}

// TestBootstrapLooksAgain has no name answer at first: it is not asked about at every turn, and again later.
func TestBootstrapLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var asked atomic.Int32
		b := newBootstrap(ctx, []string{"a:1"}, func(netip.AddrPort) {})
		b.look = func(context.Context, string) ([]netip.Addr, error) {
			asked.Add(1)
			return nil, fmt.Errorf("no")
		}
		for range 5 {
			b.wait(ctx)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times at once, want 1", n)
		}
		time.Sleep(bootstrapAgain)
		b.look = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("::1")}, nil
		}
		if got, _ := b.nodes(); len(got) != 1 {
			t.Errorf("got %v, want what is there now", got)
		}
	})
}
