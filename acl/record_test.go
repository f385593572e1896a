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
