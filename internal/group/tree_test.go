package group

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// forest is a group of one admin, into whose log trees are written.
type forest struct {
	t      *testing.T
	g      *Group
	secret string
	of     map[string]string
	had    map[string]map[string]bool // by account: all keys it has ever held
}

func newForest(t *testing.T) *forest {
	t.Helper()
	g, err := Create(t.TempDir(), Created{Name: "family", User: "alice", Kind: signed.Private, Work: 2, Stale: 720}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.NobodyToAsk(); err != nil {
		t.Fatal(err)
	}
	return &forest{t, g, "the admins' secret", map[string]string{}, map[string]map[string]bool{}}
}

func (f *forest) state() *acl.State {
	f.t.Helper()
	s, err := f.g.State()
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// plant writes the tree of names, and says how many bytes that took.
func (f *forest) plant(names ...string) (*branch, int64) {
	f.t.Helper()
	b := plantTree(f.secret, names, f.of)
	before, _ := f.g.Used()
	if err := f.g.Append(b.missing(f.state())...); err != nil {
		f.t.Fatal(err)
	}
	after, _ := f.g.Used()
	return b, after - before
}

// climb gives an account the keys that it finds, and says whether that of root is one.
func (f *forest) climb(name string, root *branch) bool {
	key := leafKey(f.secret, name, f.of[name])
	c := newClimber(f.state(), name, []string{key})
	got, ok := c.key(root.id, maxClimb)
	if f.had[name] == nil {
		f.had[name] = map[string]bool{}
	}
	for _, k := range c.keys {
		if k != "" {
			f.had[name][k] = true
		}
	}
	return ok && got == root.key
}

func (b *branch) all(visit func(*branch)) {
	visit(b)
	if b.left != nil {
		b.left.all(visit)
		b.right.all(visit)
	}
}

func named(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("user", i))
	}
	return out
}

// TestTreeOpensForWhoIsIn: each account finds the root's key; who is put out finds none of a later tree, with all keys that it
// ever had tried on all that is written, as left and as right.
func TestTreeOpensForWhoIsIn(t *testing.T) {
	f := newForest(t)
	in := named(20)
	root, _ := f.plant(in...)
	gone := map[string]bool{}
	for round := range 8 {
		for _, name := range in {
			if !f.climb(name, root) {
				t.Fatalf("round %d: %s does not find the key", round, name)
			}
		}
		for name := range gone {
			if f.climb(name, root) {
				t.Errorf("round %d: %s is out, and finds the key", round, name)
			}
			var nodes []*branch
			root.all(func(b *branch) { nodes = append(nodes, b) })
			for again := true; again; {
				again = false
				learn := func(key string) {
					if !f.had[name][key] {
						f.had[name][key], again = true, true
					}
				}
				for key := range f.had[name] {
					for _, b := range nodes {
						if b.key == key {
							t.Fatalf("round %d: %s is out, and has the key of a node of the tree of now", round, name)
						}
						if b.left == nil {
							continue
						}
						if n, _ := f.state().Node(b.id); n.ID == b.id {
							if got, err := seal.UnwrapFixed(key, fromRight(b.id), n.Wrap[:]); err == nil {
								learn(string(got))
							}
						}
					}
				}
			}
		}
		out := in[(7*round)%len(in)]
		gone[out] = true
		in = slices.DeleteFunc(in, func(n string) bool { return n == out })
		if round%2 == 0 {
			in = append(in, fmt.Sprint("late", round))
		}
		root, _ = f.plant(in...)
	}
}

// TestTreeOfTheSame: the same accounts make the same tree in whatever order, and it is written once; another recipient or secret
// makes another.
func TestTreeOfTheSame(t *testing.T) {
	f := newForest(t)
	names := named(50)
	a, _ := f.plant(names...)
	slices.Reverse(names)
	b, size := f.plant(names...)
	if a.id != b.id || a.key != b.key || size != 0 {
		t.Errorf("the same accounts make another tree, of %d bytes", size)
	}
	if got := f.state().Below(a.id); len(got) != 50 {
		t.Errorf("below the root: got %d accounts", len(got))
	}
	f.of["user7"] = "another recipient"
	if c, size := f.plant(names...); c.id == a.id || size == 0 || size > 1500 {
		t.Errorf("another recipient: %d bytes are written", size)
	}
	f.secret = "another secret"
	if c, size := f.plant(names...); c.id == a.id || size < 3000 {
		t.Errorf("another secret: %d bytes are written", size)
	}
	var none *branch
	if plantTree(f.secret, nil, nil) != nil || none.missing(f.state()) != nil {
		t.Error("nobody makes a tree")
	}
	if one, _ := f.plant("user1"); !f.climb("user1", one) || !slices.Equal(f.state().Below(one.id), []string{"user1"}) {
		t.Error("one account makes no tree")
	}
}

// TestLargeTree: a tree that one record would not hold takes several.
func TestLargeTree(t *testing.T) {
	f := newForest(t)
	names := named(2*maxTreeRecord + 10)
	root, _ := f.plant(names...)
	for _, name := range []string{names[0], names[maxTreeRecord], names[len(names)-1]} {
		if !f.climb(name, root) {
			t.Errorf("%s does not find the key", name)
		}
	}
	if got := len(f.state().Below(root.id)); got != len(names) {
		t.Errorf("%d accounts are below the root, want %d", got, len(names))
	}
}

// TestBentTrees: a node with another wrap, or one that says to be above somebody else's, gives no key, and nothing is tried for ever.
func TestBentTrees(t *testing.T) {
	for _, c := range []struct {
		name string
		bend func(root *branch) []byte
	}{
		{"another wrap", func(b *branch) []byte {
			wrap := seal.WrapFixed(b.right.key, fromRight(b.id), []byte(b.key))
			wrap[0] ^= 1
			return acl.AppendNode(acl.AppendKnown(acl.AppendKnown(nil, b.left.id), b.right.id), wrap)
		}},
		{"a wrap of another node", func(b *branch) []byte {
			wrap := seal.WrapFixed(b.right.key, fromRight(b.right.id), []byte(b.key))
			return acl.AppendNode(acl.AppendKnown(acl.AppendKnown(nil, b.left.id), b.right.id), wrap)
		}},
		{"the wrong way round", func(b *branch) []byte {
			wrap := seal.WrapFixed(b.right.key, fromRight(b.id), []byte(b.key))
			return acl.AppendNode(acl.AppendKnown(acl.AppendKnown(nil, b.right.id), b.left.id), wrap)
		}},
	} {
		f := newForest(t)
		names := named(9)
		root := plantTree(f.secret, names, nil)
		if err := f.g.Append(append(append(root.left.missing(f.state()), root.right.missing(f.state())...), acl.Tree{Body: c.bend(root)}.Marshal)...); err != nil {
			t.Fatal(err)
		}
		var right []string
		root.right.all(func(b *branch) { right = append(right, b.name) })
		for _, name := range names {
			if got := f.climb(name, root); got && slices.Contains(right, name) {
				t.Errorf("%s: %s finds the key", c.name, name)
			}
		}
	}
	// A chain of nodes, each above the one before, is as deep as somebody likes.
	f := newForest(t)
	id := acl.LeafID("user0", leafMark(leafKey(f.secret, "user0", "")))
	body := acl.AppendLeaf(nil, "user0", leafMark(leafKey(f.secret, "user0", "")))
	for i := range 1000 {
		leaf := [16]byte{byte(i), byte(i >> 8)}
		body = acl.AppendNode(acl.AppendLeaf(body, "zoe", leaf), make([]byte, 48))
		id = acl.PairID(id, acl.LeafID("zoe", leaf))
	}
	if err := f.g.Append(acl.Tree{Body: body}.Marshal); err != nil {
		t.Fatal(err)
	}
	if f.climb("user0", &branch{id: id}) {
		t.Error("it climbs a thousand nodes")
	}
}

func TestLeafLine(t *testing.T) {
	key := leafKey("secret", "bob", "age1")
	text := "# all 7\nAGE-SECRET-KEY-1\n" + leafLine(key)
	if got, ok := readLeaf([]byte(text)); !ok || got != fmt.Sprintf("%x", key) {
		t.Errorf("got %q, %v", got, ok)
	}
	for _, bad := range []string{"", "# leaf key ", "# leaf key 00", "# all 7", strings.ToUpper(leafLine(key))} {
		if got, ok := readLeaf([]byte(bad)); ok {
			t.Errorf("%q: got %q", bad, got)
		}
	}
}
