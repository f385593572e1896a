package acl

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/p2pshare/p2pshare/internal/signed"
)

// NodeID names a node of a key tree by the accounts below it, so that the same accounts always have the same node.
type NodeID [16]byte

// Node is what two others are below. Its key follows from Left's; Wrap is its key for who holds Right's.
type Node struct {
	ID, Left, Right NodeID
	Wrap            [wrapSize]byte
}

// Leaf is an account in a key tree. Mark tells the keys apart that it has one after the other.
type Leaf struct {
	ID   NodeID
	Name string
	Mark [16]byte
}

// wrapSize is a key of 32 bytes with its tag.
const wrapSize = 48

// Tree is a record with nodes of key trees. Body is a program for a stack: each node comes after those below it.
type Tree struct {
	Body []byte

	nodes  []Node
	leaves []Leaf
}

// What a Body is made of.
const (
	putKnown = 1 // an ID: a node of this record or another
	putLeaf  = 2 // the length of a name, the name, the mark
	putNode  = 3 // the wrap, for the two that were put last
)

// AppendKnown writes a node that another record has.
func AppendKnown(b []byte, id NodeID) []byte { return append(append(b, putKnown), id[:]...) }

// AppendLeaf writes an account.
func AppendLeaf(b []byte, name string, mark [16]byte) []byte {
	return append(append(append(b, putLeaf, byte(len(name))), name...), mark[:]...)
}

// AppendNode writes the node of the two that were written last.
func AppendNode(b []byte, wrap []byte) []byte { return append(append(b, putNode), wrap...) }

// LeafID is the ID of an account's leaf.
func LeafID(name string, mark [16]byte) NodeID {
	return nodeID("leaf", []byte(name), mark[:])
}

// PairID is the ID of the node of two others.
func PairID(left, right NodeID) NodeID { return nodeID("node", left[:], right[:]) }

func nodeID(kind string, a, b []byte) NodeID {
	h := sha256.New()
	fmt.Fprintf(h, "p2pshare/v1 %s %d ", kind, len(a))
	h.Write(a)
	h.Write(b)
	return NodeID(h.Sum(nil)[:16])
}

// Marshal makes the record's bytes.
func (t Tree) Marshal(n int64) ([]byte, error) {
	return checked(signed.Marshal(struct {
		N     int64  `json:"n"`
		Nodes []byte `json:"nodes"`
		Op    string `json:"op"`
	}{n, t.Body, "tree"}))
}

func readTree(f *signed.Fields) Tree {
	t := Tree{Body: f.NeedBytes("nodes", maxBox)}
	f.Fail("nodes", t.parse())
	t.Body = nil // its nodes are what is kept
	return t
}

func (t *Tree) parse() error {
	var stack []NodeID
	cut := errors.New("it is cut")
	take := func(b *[]byte, n int) []byte {
		if len(*b) < n {
			return nil
		}
		out := (*b)[:n]
		*b = (*b)[n:]
		return out
	}
	for b := t.Body; len(b) > 0; {
		kind := take(&b, 1)[0]
		switch kind {
		case putKnown:
			id := take(&b, 16)
			if id == nil {
				return cut
			}
			stack = append(stack, NodeID(id))
		case putLeaf:
			size := take(&b, 1)
			if size == nil {
				return cut
			}
			name := string(take(&b, int(size[0])))
			mark := take(&b, 16)
			if mark == nil {
				return cut
			}
			if err := signed.CheckName(name); err != nil {
				return err
			}
			l := Leaf{LeafID(name, [16]byte(mark)), name, [16]byte(mark)}
			t.leaves, stack = append(t.leaves, l), append(stack, l.ID)
		case putNode:
			wrap := take(&b, wrapSize)
			if wrap == nil {
				return cut
			}
			if len(stack) < 2 {
				return errors.New("a node without two below it")
			}
			left, right := stack[len(stack)-2], stack[len(stack)-1]
			if left == right {
				return errors.New("a node with the same twice below it")
			}
			n := Node{PairID(left, right), left, right, [wrapSize]byte(wrap)}
			t.nodes, stack = append(t.nodes, n), append(stack[:len(stack)-2], n.ID)
		default:
			return fmt.Errorf("%d is nothing that a tree is made of", kind)
		}
		if len(stack) > maxTreeDepth {
			return fmt.Errorf("it is deeper than %d", maxTreeDepth)
		}
	}
	if len(stack) != 1 {
		return fmt.Errorf("%d nodes are left over, not 1", len(stack))
	}
	return nil
}

// Epoch begins an epoch of an audience with a name: from it on, what is for the audience is sealed to another identity.
type Epoch struct {
	Audience string
	Epoch    int64
	Gen      int64   // the epoch of the admins' audience whose secret the keys of the tree are made of; 0: of that audience itself
	Own      []byte  // the identity, for who holds that secret
	Root     NodeID  // the tree of the accounts that hold it; zero: none
	Box      []byte  // the identity, for them
	Before   []int64 // epochs whose identities are in Old
	Old      []byte  // for who holds this one

	// A State says when it was.
	N int64
}

// Marshal makes the record's bytes.
func (e Epoch) Marshal(n int64) ([]byte, error) {
	var root []byte
	if e.Root != (NodeID{}) {
		root = e.Root[:]
	}
	var before []string
	for _, b := range e.Before {
		before = append(before, strconv.FormatInt(b, 10))
	}
	return checked(signed.Marshal(struct {
		Audience string   `json:"aud"`
		Before   []string `json:"before,omitempty"`
		Box      []byte   `json:"box,omitempty"`
		Epoch    int64    `json:"epoch"`
		Gen      int64    `json:"gen,omitempty"`
		N        int64    `json:"n"`
		Old      []byte   `json:"old,omitempty"`
		Op       string   `json:"op"`
		Own      []byte   `json:"own,omitempty"`
		Root     []byte   `json:"root,omitempty"`
	}{e.Audience, before, e.Box, e.Epoch, e.Gen, n, e.Old, "epoch", e.Own, root}))
}

func readEpoch(f *signed.Fields) (e Epoch) {
	e.Audience = readID(f, "aud")
	e.Epoch = f.NeedInt("epoch", 1, MaxEpoch)
	e.Gen = f.Int("gen", 1, MaxEpoch)
	e.Own = f.Bytes("own", maxWrapped)
	e.Box = f.Bytes("box", maxWrapped)
	e.Old = f.Bytes("old", maxWrapped)
	if root := f.Bytes("root", len(e.Root)); len(root) == len(e.Root) {
		e.Root = NodeID(root)
	} else if root != nil {
		f.Fail("root", fmt.Errorf("it has %d bytes, not %d", len(root), len(e.Root)))
	}
	for _, text := range f.Texts("before", maxBefore, 16) {
		b, err := strconv.ParseInt(text, 10, 64)
		if err != nil || b < 1 || b > MaxEpoch || strconv.FormatInt(b, 10) != text {
			f.Fail("before", fmt.Errorf("%q is no epoch", text))
		}
		e.Before = append(e.Before, b)
	}
	switch {
	case (e.Gen != 0) != (e.Own != nil):
		f.Fail("own", errors.New("it and gen stand together"))
	case (e.Root != NodeID{}) != (e.Box != nil), e.Box != nil && e.Gen == 0:
		f.Fail("root", errors.New("it stands with box and gen"))
	case (e.Before != nil) != (e.Old != nil):
		f.Fail("before", errors.New("it and old stand together"))
	}
	return e
}

// Epochs are those of all audiences with names, by the order of their records: of an audience the last counts.
func (s *State) Epochs(aud string) []Epoch { return s.epochs[aud] }

// Node is a node of the key trees that admins have made.
func (s *State) Node(id NodeID) (Node, bool) {
	n := s.nodes[id]
	if n == nil {
		return Node{}, false
	}
	return *n, true
}

// HasLeaf says whether the leaf is in a tree that admins have made.
func (s *State) HasLeaf(id NodeID) bool { return s.leaves[id] != nil }

// Below are the accounts below a node.
func (s *State) Below(root NodeID) (out []string) {
	seen := map[NodeID]bool{}
	for stack := []NodeID{root}; len(stack) > 0; {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		if l := s.leaves[id]; l != nil {
			out = append(out, l.Name)
		} else if n := s.nodes[id]; n != nil {
			stack = append(stack, n.Right, n.Left)
		}
	}
	return out
}

// grow takes the nodes of a record.
func (s *State) grow(t Tree) {
	for i := range t.nodes {
		if n := &t.nodes[i]; s.nodes[n.ID] == nil {
			s.nodes[n.ID] = n
		}
	}
	for i := range t.leaves {
		s.leaves[t.leaves[i].ID] = &t.leaves[i]
	}
}
