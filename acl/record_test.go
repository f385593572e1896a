package acl_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestRecordsGolden holds the bytes of every record. P2PSHARE_GOLDEN=write renews them.
func TestRecordsGolden(t *testing.T) {
	w := newWorld(t)
	w.logs = map[string][][]byte{}
	w.hello("dev", 1, acl.Hello{Account: "carol", Label: "nas"}, "carol", "")
	w.hello("dev", 2, acl.Hello{Account: "gus", Key: keyOf("gus"), Seal: "age1qq", Invite: "join"}, "gus", "join")
	w.sign("dev", 3, acl.AccountChange{Name: "carol", Role: acl.Publisher, Key: keyOf("carol"), Seal: "age1qq", Slot: []byte{1, 2},
		Until: start, Teams: []string{"crew", "night"}, Keep: keep("d1", 5, "d2", 0)})
	w.sign("dev", 4, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join"), Gives: acl.Publisher})
	w.sign("dev", 5, acl.AccountChange{Name: "carol", Gone: true, Keep: keep("d1", 5)})
	w.rule("dev", 6, "r1", 10, "deny @crew,guest publish films/** until 2027-01-01")
	w.sign("dev", 7, acl.RuleChange{Rule: acl.Rule{ID: "r1"}, Gone: true})
	w.sign("dev", 8, acl.Grant{Audience: "all", Epoch: 2, To: []string{"carol", "gus"}, Box: []byte("box")})
	w.sign("dev", 9, acl.NewLink{Box: []byte("box")})
	w.sign("dev", 10, acl.Grant{Audience: "all", Epoch: 2, To: []string{"carol"}, Box: []byte("box"), Leaf: 7})
	w.sign("dev", 11, acl.Tree{Body: pair()})
	w.sign("dev", 12, acl.Epoch{Audience: "admins", Epoch: 7})
	w.sign("dev", 13, acl.Epoch{Audience: "all", Epoch: 3, Gen: 7, Own: []byte("own"), Root: root(), Box: []byte("box"), Before: []int64{2, 1}, Old: []byte("old")})
	got := append(bytes.Join(w.logs["dev"], []byte("\n")), '\n')
	path := filepath.Join("testdata", "records")
	if os.Getenv("P2PSHARE_GOLDEN") == "write" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s (%v)", got, want, err)
	}
}

func TestRecordsThatAreNotMade(t *testing.T) {
	many := make([]string, 501)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		name string
		m    marshaler
		want string
	}{
		{"no name", acl.AccountChange{Role: acl.Member}, "name"},
		{"a long name", acl.AccountChange{Name: strings.Repeat("x", 33)}, "more than 32"},
		{"the role admin", acl.AccountChange{Name: "a", Role: acl.Admin}, "is none of"},
		{"a role of its own", acl.AccountChange{Name: "a", Role: "king"}, "is none of"},
		{"a team called as a role", acl.AccountChange{Name: "a", Teams: []string{"admin"}}, "is reserved"},
		{"a team twice", acl.AccountChange{Name: "a", Teams: []string{"x", "x"}}, "stands twice"},
		{"gone, and more", acl.AccountChange{Name: "a", Gone: true, Role: acl.Member}, "than its keep"},
		{"gives, and is no invite", acl.AccountChange{Name: "a", Role: acl.Member, Gives: acl.Member}, "no invite"},
		{"an invite that gives invites", acl.AccountChange{Name: "a", Role: acl.Invite, Gives: acl.Invite}, "is none of"},
		{"a large slot", acl.AccountChange{Name: "a", Slot: make([]byte, 17<<10)}, "more than"},
		{"no rule", acl.RuleChange{Rule: acl.Rule{ID: "r"}}, "may"},
		{"a rule without an id", acl.RuleChange{Gone: true}, "id"},
		{"a grant to nobody", acl.Grant{Audience: "all", Epoch: 1, Box: []byte("x")}, "no value"},
		{"a grant to too many", acl.Grant{Audience: "all", Epoch: 1, To: many, Box: []byte("x")}, "more than 500"},
		{"a grant without a box", acl.Grant{Audience: "all", Epoch: 1, To: []string{"a"}}, "box"},
		{"a key in the trees for two", acl.Grant{Audience: "all", Epoch: 1, To: []string{"a", "b"}, Box: []byte("x"), Leaf: 1}, "is for one account"},
		{"a tree of nothing", acl.Tree{}, "nodes"},
		{"an unknown part of a tree", acl.Tree{Body: []byte{9}}, "nothing that a tree"},
		{"a cut node", acl.Tree{Body: pair()[:len(pair())-1]}, "cut"},
		{"a cut leaf", acl.Tree{Body: pair()[:20]}, "cut"},
		{"a cut ID", acl.Tree{Body: []byte{1, 2, 3}}, "cut"},
		{"a leaf of a bad name", acl.Tree{Body: acl.AppendLeaf(nil, "A b", [16]byte{})}, "A b"},
		{"two trees", acl.Tree{Body: append(pair(), pair()...)}, "left over"},
		{"a node of one", acl.Tree{Body: acl.AppendNode(acl.AppendKnown(nil, root()), make([]byte, 48))}, "without two"},
		{"a node of the same twice", acl.Tree{Body: acl.AppendNode(acl.AppendKnown(acl.AppendKnown(nil, root()), root()), make([]byte, 48))}, "same twice"},
		{"a deep tree", acl.Tree{Body: bytes.Repeat(acl.AppendKnown(nil, root()), 300)}, "deeper than 258"},
		{"an epoch for a secret that it does not name", acl.Epoch{Audience: "all", Epoch: 1, Own: []byte("x")}, "own"},
		{"an epoch without its box", acl.Epoch{Audience: "all", Epoch: 1, Gen: 1, Own: []byte("x"), Root: root()}, "root"},
		{"an epoch with a box for nobody", acl.Epoch{Audience: "all", Epoch: 1, Gen: 1, Own: []byte("x"), Box: []byte("x")}, "root"},
		{"old keys of no epoch", acl.Epoch{Audience: "all", Epoch: 1, Old: []byte("x")}, "before"},
		{"an epoch before the first", acl.Epoch{Audience: "all", Epoch: 1, Old: []byte("x"), Before: []int64{-1}}, "no epoch"},
		{"large keys", acl.Epoch{Audience: "all", Epoch: 1, Gen: 1, Own: make([]byte, 9<<10)}, "own"},
		{"epoch 0", acl.Grant{Audience: "all", To: []string{"a"}, Box: []byte("x")}, "epoch"},
		{"a link without a box", acl.NewLink{}, "box"},
		{"a hello without a signature", acl.Hello{Account: "a"}, "sig"},
		{"an invite without a key", acl.Hello{Account: "a", Sig: make([]byte, 64), Invite: "join", ISig: make([]byte, 64)}, "key"},
		{"a label of two lines", acl.Hello{Account: "a", Sig: make([]byte, 64), Label: "a\nb"}, "printable"},
	} {
		if _, err := c.m.Marshal(5); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	if _, err := (acl.NewLink{Box: []byte("x")}).Marshal(0); err == nil {
		t.Error("a record without a time is made")
	}
}

func FuzzPart(f *testing.F) {
	w := busy(f)
	for _, lines := range w.logs {
		f.Add(append(bytes.Join(lines, []byte("\n")), '\n'))
	}
	rest := w.parts()
	memo := new(acl.Memo)
	f.Fuzz(func(t *testing.T, b []byte) {
		p := acl.NewPart(w.gid(), key("fuzz"))
		p.Add(signed.ParseLog(key("fuzz"), 0, 0, signed.Lines(b), start.Add(time.Hour)))
		s, err := acl.Fold(w.roots, append(slices.Clone(rest), p), memo)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := s.Account("alice"); !ok || a.Role != acl.Admin || a.Key != key("alice") {
			t.Fatalf("%q changed an admin: %+v", b, a)
		}
	})
}

// BenchmarkFold is a group of 1,000 accounts with 2,000 devices; cold is with all signatures to check.
func BenchmarkFold(b *testing.B) {
	w := newWorld(b)
	for i := range 1000 {
		name := fmt.Sprintf("user%d", i)
		w.account(10+int64(i), name, acl.Publisher)
		w.device(name+"a", 2000+int64(i), name)
		w.device(name+"b", 4000+int64(i), name)
	}
	parts := w.parts()
	memo := new(acl.Memo)
	for _, c := range []string{"cold", "warm"} {
		b.Run(c, func(b *testing.B) {
			for range b.N {
				if c == "cold" {
					memo = new(acl.Memo)
				}
				s, err := acl.Fold(w.roots, parts, memo)
				if err != nil || len(s.Devices()) != 2002 {
					b.Fatal(err)
				}
			}
		})
	}
}
