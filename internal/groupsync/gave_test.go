package groupsync_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestGave: whoever is called and has given everything is named by his key, with his head of the own log that was news; and what
// two machines at one address answer is the word of neither.
func TestGave(t *testing.T) {
	good := rooted(t)
	self, first, second := newDevice(t, group), newDevice(t, group), newDevice(t, group)
	self.into(good, 2)
	for _, c := range []struct {
		name    string
		answers func(n int32) signed.Key // of the nth answer
		want    bool
	}{
		{"one machine", func(int32) signed.Key { return first.key() }, true},
		{"another from the second answer on", func(n int32) signed.Key {
			if n == 1 {
				return second.key()
			}
			return first.key()
		}, false},
	} {
		var answers atomic.Int32
		told := make(chan string, 100)
		to := newShelf(group)
		up := crowd(t, to, func(o *groupsync.PeerSetOptions) {
			o.Self = self.key()
			o.Who = func(*http.Response) (signed.Key, error) { return c.answers(answers.Add(1)), nil }
			o.Told = func(by signed.Key, own signed.Head) { told <- fmt.Sprint(by == first.key(), own.Size) }
		}, addrOf(closing(t, handlerOf(good))))
		if !c.want {
			waitFor(t, c.name+": the call ends, and begins anew", func() bool { return answers.Load() >= 3 })
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		must(t, up.UpToDate(ctx))
		if got := <-told; got != "true 2" {
			t.Errorf("%s: told %q after %d answers, want true 2", c.name, got, answers.Load())
		}
	}
}
