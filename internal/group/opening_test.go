package group_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestASlowOpeningHoldsNobody: while boxes that a member signed are opened, which may take long, others are answered: whoever
// connects, asks what there is, hands in a log, or is handed one. What was opened counts for all of them then.
func TestASlowOpeningHoldsNobody(t *testing.T) {
	for _, what := range []string{"share", "grant"} {
		t.Run(what, func(t *testing.T) {
			alice := createPrivate(t, group.Created{Password: password})
			allow(t, alice, "allow @member publish **")
			bob, carol, dave := invited(t, alice, "bob"), invited(t, alice, "carol"), invited(t, alice, "dave")
			sealShare(t, alice, "before", "1")
			for _, g := range []*group.Group{bob, carol, dave} {
				must(t, sync(t, alice, g))
			}
			// The one is for everyone, the other comes with keys for some.
			read := []string{"carol", "bob"}
			if what == "share" {
				read = nil
			}
			sealShare(t, bob, "slow", "1", read...)
			sealShare(t, dave, "other", "1")
			begun, end := make(chan struct{}), make(chan struct{})
			var first atomic.Bool
			carol.OpensSlowly(func(kind string) {
				if kind == what && first.CompareAndSwap(false, true) {
					close(begun)
					<-end
				}
			})
			brought := make(chan error, 2)
			go func() { brought <- sync(t, bob, carol) }()
			within(t, "the box is being opened", begun)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := carol.State(); err != nil {
					t.Error(err)
				}
				if got := names(t, carol); got != "before@1 by alice" {
					t.Errorf("the catalog: %q", got)
				}
				if st, a := carol.Standing(dave.Device().Public()); st != access.Member || a.Name != "dave" {
					t.Errorf("dave is %v %q", st, a.Name)
				}
				if len(carol.Heads(0)) != 4 || carol.Link().Secret != alice.Link().Secret || carol.Slot(signed.Key{1}) == nil {
					t.Error("heads, link or slots are not there")
				}
				h, records := whole(t, bob)
				if from, news, err := carol.Wants(h); err != nil || news || from != 0 {
					t.Errorf("bob's log is wanted again: from %d, %v, %v", from, news, err)
				}
				if what == "share" { // who signs waits for keys
					sealShare(t, carol, "mine", "1")
					if got := names(t, carol); got != "before@1 by alice, mine@1 by carol" {
						t.Errorf("her own share: %q", got)
					}
				}
				if err := carol.Vouched(bob.Device().Public(), records[0], true); err != nil {
					t.Error(err)
				}
			}()
			within(t, "others are answered", done)
			go func() { brought <- sync(t, dave, carol) }() // it waits for its own shares to be opened alone
			eventually(t, "dave's log is here", func() bool {
				h, _ := whole(t, dave)
				_, news, err := carol.Wants(h)
				return err == nil && !news
			})
			close(end)
			must(t, <-brought)
			must(t, <-brought)
			want := "before@1 by alice, other@1 by dave, slow@1 by bob"
			if what == "share" {
				want = "before@1 by alice, mine@1 by carol, other@1 by dave, slow@1 by bob"
			}
			if got := names(t, carol); got != want {
				t.Errorf("once it is open: got %q, want %q", got, want)
			}
		})
	}
}

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited in vain until %s", what)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
