//go:build reach && linux

package node_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestReachManyAccounts measures a private group of 1,000 accounts with two devices each: the passwords of those it changes
// have the real work factor.
func TestReachManyAccounts(t *testing.T) {
	const accounts = 1000
	dir := filepath.Join(reach(t), "groups")
	g, err := group.Create(dir, group.Created{Kind: signed.Private, Name: "office", User: "alice", Label: "x", Stale: 720, Password: "correct horse battery", Work: 2}, time.Now)
	must(t, err)
	must(t, g.NobodyToAsk())
	var list []group.NewAccount
	for i := range accounts {
		list = append(list, group.NewAccount{Name: fmt.Sprint("user", i), Role: acl.Member, Password: "one of many passwords"})
	}
	must(t, g.AddAccounts(t.Context(), list, 2, nil))
	start := time.Now()
	for i := range accounts {
		name := fmt.Sprint("user", i)
		l, err := g.Login(name, "one of many passwords", 2)
		must(t, err)
		for range 2 {
			device, err := group.NewSecret()
			must(t, err)
			raw, err := acl.NewHello(g.ID(), device.Public(), acl.Hello{Account: name}, time.Now().UnixMilli(), l.Key, nil)
			must(t, err)
			head, lines := firstHead(t, g.ID(), device, raw)
			must(t, g.AddLog(t.Context(), head, 0, lines))
		}
	}
	t.Logf("%d devices made and taken in %v", 2*accounts, time.Since(start).Round(time.Millisecond))
	timed := func(what string, do func() error) {
		t.Helper()
		start, before := time.Now(), cpu(t)
		must(t, do())
		if _, err := g.State(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v, %v of CPU", what, time.Since(start).Round(time.Millisecond), (cpu(t) - before).Round(time.Millisecond))
	}
	timed("the first fold", func() error { _, err := g.State(); return err })
	timed("user add", func() error {
		return g.AddAccounts(t.Context(), []group.NewAccount{{Name: "new", Role: acl.Member, Password: "a password that is new"}}, seal.MaxWork, nil)
	})
	s, err := g.State()
	must(t, err)
	gone, _ := s.Account("user7")
	timed("remove, with another key, link and password", func() error {
		_, err := g.RemoveAccount(gone, "another password", seal.MaxWork)
		return err
	})
	timed("user add but for the password", func() error {
		return g.AddAccounts(t.Context(), []group.NewAccount{{Name: "newer", Role: acl.Member, Password: "a password that is new"}}, 2, nil)
	})
	gone, _ = s.Account("user8")
	timed("remove but for the password", func() error {
		_, err := g.RemoveAccount(gone, "another password", 2)
		return err
	})
	timed("care with nothing to do", func() error { _, err := g.Care(); return err })
	timed("opening the group anew", func() error { var err error; g, err = group.Open(g.Dir(), time.Now); return err })
	h := g.AllHeads()
	size := 0
	for _, x := range h {
		if x.Device == g.Device().Public() {
			l, err := g.Log(x.Device)
			must(t, err)
			for _, r := range l.Records {
				size += len(r.Raw) + 1
			}
		}
	}
	t.Logf("the admin's log has %d bytes", size)
	if st, err := g.State(); err != nil || len(st.Accounts()) < accounts {
		t.Errorf("accounts: %v", err)
	}
}

// cpu is what this process has used of the processors.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestReachJoin measures a join with the real work factor, and how long after a removal twenty members have heard of it.
func TestReachJoin(t *testing.T) {
	alice, _ := daemon(t, t.TempDir(), nil)
	a := askGroup(t, alice, node.GroupRequest{Group: "family", Create: &node.CreateGroup{Kind: "private", User: "alice"}})
	start := time.Now()
	bob, _ := daemon(t, t.TempDir(), nil)
	if _, err := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	t.Logf("joined after %v", time.Since(start).Round(time.Millisecond))
	members := []*node.Node{bob}
	for i := range 19 {
		added := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) {
			r.AddUser = &node.AddUser{Name: fmt.Sprint("m", i), Role: "member"}
		}))
		n, _ := daemon(t, t.TempDir(), nil)
		if _, err := tryJoin(t, n, members[i%len(members)], a.Link, node.JoinGroup{User: added.User, Password: added.Password}); err != nil {
			t.Fatal(err)
		}
		members = append(members, n)
	}
	for _, n := range members {
		waitShown(t, n, "20", func(x *node.GroupAnswer) string {
			k := 0
			for _, d := range x.Devices {
				if d.Account != "alice" {
					k++
				}
			}
			return fmt.Sprint(k)
		})
	}
	begin := time.Now()
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	answered := time.Now()
	for _, n := range members[1:] {
		waitShown(t, n, "gone", func(x *node.GroupAnswer) string {
			for _, acc := range x.Accounts {
				if acc.Name == "bob" && acc.Gone {
					return "gone"
				}
			}
			return ""
		})
	}
	t.Logf("removed after %v, heard of by all %v later", answered.Sub(begin).Round(time.Millisecond), time.Since(answered).Round(time.Millisecond))
}

// firstHead signs the log of a device of one record.
func firstHead(t *testing.T, id signed.GroupID, device signed.SigningKey, raw []byte) (signed.Head, [][]byte) {
	t.Helper()
	tree := signed.Tree{}
	tree.Append(raw)
	head, err := signed.SignHead(id, device, 1, tree.Root(), time.Now())
	must(t, err)
	return head, [][]byte{raw}
}
