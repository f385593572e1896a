package group

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// branch is a node of a key tree as admins make it: over the accounts whose places, hashes that the admins' secret makes, begin
// alike. Its ID and key follow from who is below it, so that only the nodes above a change are new, and two admins make the same.
type branch struct {
	id          acl.NodeID
	key         string
	left, right *branch // nil: a leaf
	name        string
	mark        [16]byte
	place       []byte
}

// leafKey is the key of an account in the trees of a secret of the admins, with the recipient that it has.
func leafKey(secret, name, recipient string) string {
	return string(expand(secret, "leaf "+name+" "+recipient))
}

func leafMark(key string) [16]byte { return [16]byte(expand(key, "leaf mark")[:16]) }

// plantTree makes the tree of accounts with their recipients; nil where there are none.
func plantTree(secret string, names []string, recipients map[string]string) *branch {
	var list []*branch
	for _, name := range names {
		b := &branch{name: name, key: leafKey(secret, name, recipients[name]), place: expand(secret, "place "+name)}
		b.mark = leafMark(b.key)
		b.id = acl.LeafID(name, b.mark)
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b *branch) int { return bytes.Compare(a.place, b.place) })
	return join(slices.CompactFunc(list, func(a, b *branch) bool { return a.id == b.id }))
}

// join is the tree of leaves that are sorted by their places: on the left those with a 0 at the first bit in which they differ.
func join(list []*branch) *branch {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	low, high := list[0].place, list[len(list)-1].place
	bit := 0
	at := func(p []byte) bool { return p[bit/8]>>(7-bit%8)&1 == 1 }
	for at(low) == at(high) {
		bit++
	}
	i := slices.IndexFunc(list, func(b *branch) bool { return at(b.place) })
	l, r := join(list[:i]), join(list[i:])
	id := acl.PairID(l.id, r.id)
	return &branch{id: id, key: fromLeft(l.key, id), left: l, right: r}
}

// fromLeft is the key of a node, for who has that of its left.
func fromLeft(key string, id acl.NodeID) string {
	return string(expand(key, "node "+hex.EncodeToString(id[:])))
}

// fromRight is what a node's key is wrapped for.
func fromRight(id acl.NodeID) string { return "node wrap " + hex.EncodeToString(id[:]) }

// missing are the records of the nodes that are in none yet.
func (b *branch) missing(s *acl.State) (out []Record) {
	if b == nil {
		return nil
	}
	known := map[acl.NodeID]bool{}
	has := func(b *branch) bool {
		if known[b.id] {
			return true
		}
		if b.left == nil {
			return s.HasLeaf(b.id)
		}
		_, there := s.Node(b.id)
		return there
	}
	var count func(b *branch) int
	count = func(b *branch) int {
		if has(b) || b.left == nil {
			return 1
		}
		return count(b.left) + count(b.right) + 1
	}
	var write func(to []byte, b *branch) []byte
	write = func(to []byte, b *branch) []byte {
		switch {
		case has(b):
			return acl.AppendKnown(to, b.id)
		case b.left == nil:
			return acl.AppendLeaf(to, b.name, b.mark)
		}
		to = write(write(to, b.left), b.right)
		return acl.AppendNode(to, seal.WrapFixed(b.right.key, fromRight(b.id), []byte(b.key)))
	}
	var put func(b *branch)
	put = func(b *branch) {
		if has(b) {
			return
		}
		if count(b) > maxTreeRecord {
			put(b.left)
			put(b.right)
		}
		out = append(out, acl.Tree{Body: write(nil, b)}.Marshal)
		known[b.id] = true
	}
	put(b)
	return out
}

// climber finds the keys of nodes from those of leaves.
type climber struct {
	state *acl.State
	keys  map[acl.NodeID]string // empty: it was tried, and there is none
}

// newClimber begins with the keys that an account has had.
func newClimber(s *acl.State, account string, leaves []string) *climber {
	c := &climber{s, map[acl.NodeID]string{}}
	for _, key := range leaves {
		c.keys[acl.LeafID(account, leafMark(key))] = key
	}
	return c
}

// key is that of a node, if a leaf below it is known. depth bounds the way there.
func (c *climber) key(id acl.NodeID, depth int) (key string, ok bool) {
	if key, tried := c.keys[id]; tried {
		return key, key != ""
	}
	n, there := c.state.Node(id)
	if !there || depth == 0 {
		return "", false
	}
	if left, ok := c.key(n.Left, depth-1); ok {
		key = fromLeft(left, id)
	} else if right, ok := c.key(n.Right, depth-1); ok {
		if b, err := seal.UnwrapFixed(right, fromRight(id), n.Wrap[:]); err == nil {
			key = string(b)
		}
	}
	c.keys[id] = key
	return key, key != ""
}

// leafLine is the account's own key in the trees, as a grant's box has it: a comment to age.
func leafLine(key string) string { return leafPrefix + hex.EncodeToString([]byte(key)) + "\n" }

const leafPrefix = "# leaf key "

func readLeaf(text []byte) (string, bool) {
	for line := range strings.Lines(string(text)) {
		if key, ok := strings.CutPrefix(strings.TrimSpace(line), leafPrefix); ok && len(key) == 64 {
			return key, true
		}
	}
	return "", false
}
