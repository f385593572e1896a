package acl_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// pair is a tree of carol and gus.
func pair() []byte {
	b := acl.AppendLeaf(acl.AppendLeaf(nil, "carol", [16]byte{1}), "gus", [16]byte{2})
	return acl.AppendNode(b, slices.Repeat([]byte{3}, 48))
}

func root() acl.NodeID {
	return acl.PairID(acl.LeafID("carol", [16]byte{1}), acl.LeafID("gus", [16]byte{2}))
}

// TestTrees: nodes are found by who is below them, whichever record has them; nobody but an admin makes any, or an epoch.
func TestTrees(t *testing.T) {
	w := newWorld(t)
	w.account(10, "carol", acl.Publisher)
	w.device("carol1", 20, "carol")
	top := acl.AppendNode(acl.AppendLeaf(acl.AppendKnown(nil, root()), "zoe", [16]byte{4}), slices.Repeat([]byte{5}, 48))
	w.sign("bob1", 30, acl.Tree{Body: top}) // before the one that it refers to
	w.sign("alice1", 31, acl.Tree{Body: pair()})
	w.sign("alice1", 32, acl.Epoch{Audience: "all", Epoch: 9, Gen: 1, Own: []byte("x")})
	w.sign("bob1", 33, acl.Epoch{Audience: "all", Epoch: 4, Gen: 1, Own: []byte("x")})
	w.sign("carol1", 34, acl.Epoch{Audience: "all", Epoch: 10, Gen: 1, Own: []byte("x")})
	other := acl.AppendNode(acl.AppendKnown(acl.AppendLeaf(nil, "zoe", [16]byte{4}), root()), slices.Repeat([]byte{5}, 48))
	w.sign("carol1", 35, acl.Tree{Body: other})
	s := w.fold()
	id := acl.PairID(root(), acl.LeafID("zoe", [16]byte{4}))
	if got := strings.Join(s.Below(id), " "); got != "carol gus zoe" {
		t.Errorf("below the root: got %q", got)
	}
	if n, ok := s.Node(id); !ok || n.Left != root() || n.Right != acl.LeafID("zoe", [16]byte{4}) || n.Wrap[0] != 5 {
		t.Errorf("got %+v, %v", n, ok)
	}
	if !s.HasLeaf(acl.LeafID("gus", [16]byte{2})) || s.HasLeaf(acl.LeafID("gus", [16]byte{1})) {
		t.Error("a leaf is another")
	}
	// Where two are the other way round, it is another node.
	if _, ok := s.Node(acl.PairID(acl.LeafID("zoe", [16]byte{4}), root())); ok {
		t.Error("a member makes nodes")
	}
	var got []int64
	for _, e := range s.Epochs("all") {
		got = append(got, e.Epoch)
	}
	if !slices.Equal(got, []int64{9, 4}) {
		t.Errorf("epochs: got %v, want those of admins in the order of their records", got)
	}
	list, _ := s.Problems()
	if len(list) != 2 || !strings.Contains(list[0].Reason, "makes no keys of the group") {
		t.Errorf("got the problems %v", list)
	}
}

// FuzzTree: whatever bytes a tree has, it is read or refused, and what is read is of the nodes that it is made of.
func FuzzTree(f *testing.F) {
	f.Add([]byte{})
	f.Add(pair())
	f.Add(acl.AppendNode(acl.AppendKnown(pair(), root()), make([]byte, 48)))
	f.Add([]byte{2, 255, 'a'})
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := acl.Tree{Body: body}.Marshal(1)
		if err != nil {
			return
		}
		if _, err := signed.ParseRecord(raw); err != nil {
			t.Error(err)
		}
		w := newWorld(t)
		w.sign("alice1", 10, acl.Tree{Body: body})
		if list, _ := w.fold().Problems(); len(list) != 0 {
			t.Errorf("it was made, and is not read: %v", list)
		}
	})
}
