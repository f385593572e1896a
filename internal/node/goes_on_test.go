package node_test

import (
	"context"
	"testing"

	"github.com/p2pshare/p2pshare/internal/node"
)

// A daemon seeds what it has fetched, unless the request or its settings say no, and start does it later.
func TestAFetchGoesOnBeingSeeded(t *testing.T) {
	dir := folder(t, "f", map[string]string{"a": "content", "b/c": "more"})
	source, _ := daemon(t, t.TempDir(), nil)
	pub := publishIn(t, source, dir)
	for _, c := range []struct {
		name   string
		never  bool // the daemon's own setting
		change func(*node.FetchRequest)
		seeds  bool
		starts bool // start seeds what does not
	}{
		{name: "unasked", seeds: true},
		{name: "with a ratio", change: func(r *node.FetchRequest) { r.Policy.Ratio = 3 }, seeds: true},
		{name: "the request says no", change: func(r *node.FetchRequest) { r.NoSeed = true }, starts: true},
		{name: "the settings say no", never: true, starts: true},
		{name: "the settings say no, and the request yes", never: true, change: func(r *node.FetchRequest) { r.Seed = true }, seeds: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			home, target := t.TempDir(), t.TempDir()
			n, end := daemon(t, home, func(o *node.Options) { o.NoSeed, o.Policy.Copies = c.never, 9 })
			r := node.FetchRequest{Ref: pub.Magnet, Dir: target, Peers: []string{addrOf(t, source)}}
			if c.change != nil {
				c.change(&r)
			}
			last, err := ask(t, func(ctx context.Context, on func(node.Event)) error { return n.Fetch(ctx, r, on) }, func(e node.Event) bool { return e.Fetched != nil })
			if err != nil {
				t.Fatal(err)
			}
			got := last.Fetched
			want := r.Policy
			if want == (node.Policy{}) {
				want.Copies = 9
			}
			if got == nil || got.Seeding != c.seeds || c.seeds && got.Policy != want {
				t.Fatalf("got %+v, want seeding %v until %+v", got, c.seeds, want)
			}
			state := node.StateSeeding
			if !c.seeds {
				state = node.StateDone
			}
			shareIn(t, n, pub.Infohash, in(state))
			if c.starts {
				if _, err := n.Change(t.Context(), node.ChangeRequest{Refs: []string{pub.Infohash}, Run: true}); err != nil {
					t.Fatal(err)
				}
				shareIn(t, n, pub.Infohash, in(node.StateSeeding))
			}
			fetchFrom(t, n, pub.Magnet, dir)
			end()
			n, _ = daemon(t, home, nil)
			shareIn(t, n, pub.Infohash, in(node.StateSeeding))
		})
	}
}
