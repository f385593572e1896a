package group_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// ofDevice hands in the log of a device that nobody has met yet: a hello, and n records of a size.
func ofDevice(t *testing.T, g *group.Group, by group.Key, device signed.SigningKey, now time.Time, n, size int) error {
	t.Helper()
	ms := now.UnixMilli()
	hello, err := acl.NewHello(g.ID(), device.Public(), acl.Hello{Account: by.Account}, ms, by.Secret, nil)
	must(t, err)
	records := [][]byte{hello}
	pad := strings.Repeat("x", size)
	for i := range n {
		records = append(records, fmt.Appendf(nil, `{"n":%d,"op":"later","pad":"%s"}`, ms+int64(i)+1, pad))
	}
	var tree signed.Tree
	for _, r := range records {
		tree.Append(r)
	}
	h, err := signed.SignHead(g.ID(), device, tree.Size(), tree.Root(), now)
	must(t, err)
	from, news, err := g.Wants(h)
	if err != nil || !news {
		return fmt.Errorf("not wanted: %w", err)
	}
	return g.AddLog(context.Background(), h, from, records[from:])
}

func newDevice(t *testing.T) signed.SigningKey {
	t.Helper()
	s, err := group.NewSecret()
	must(t, err)
	return s
}

func admitted(t *testing.T, g *group.Group, name string) int {
	t.Helper()
	s, err := g.State()
	must(t, err)
	n := 0
	for _, d := range s.Devices() {
		if d.Account == name && !d.Removed() {
			n++
		}
	}
	return n
}

// TestOneAccountLeavesPlaces: whatever one account brings in, another's new machine is taken at once, and the places of a
// removed one are free, on disk too.
func TestOneAccountLeavesPlaces(t *testing.T) {
	g := create(t)
	eve, bob := addUser(t, g, "eve", acl.Member), addUser(t, g, "bob", acl.Member)
	for range 300 {
		_ = ofDevice(t, g, eve, newDevice(t), time.Now(), 0, 0) // most are refused, or wait for who vouches for them
	}
	if n := admitted(t, g, "eve"); n != 32 {
		t.Errorf("eve has %d devices, want 32", n)
	}
	must(t, ofDevice(t, g, bob, newDevice(t), time.Now(), 0, 0))
	if n := admitted(t, g, "bob"); n != 1 {
		t.Error("bob's first machine is not in")
	}
	s, err := g.State()
	must(t, err)
	must(t, g.End(s, "eve"))
	if n := admitted(t, g, "eve"); n != 0 {
		t.Errorf("after her removal eve has %d devices", n)
	}
	again, err := group.Open(g.Dir(), time.Now)
	must(t, err)
	_, err = again.State()
	must(t, err)
	s, err = again.State()
	must(t, err)
	vouched := 0
	for _, h := range again.AllHeads() {
		if _, ok := s.Device(h.Device); ok {
			vouched++
		}
	}
	if vouched != 2 { // alice's and bob's
		t.Errorf("the logs of %d devices are kept, want 2", vouched)
	}
	must(t, ofDevice(t, again, bob, newDevice(t), time.Now(), 0, 0))
	if n := admitted(t, again, "bob"); n != 2 {
		t.Error("bob's second machine is not in")
	}
}

// TestTheNextMachineIsRefusedInWords: who has as many machines as he may is told the way out.
func TestTheNextMachineIsRefusedInWords(t *testing.T) {
	g := create(t)
	bob := addUser(t, g, "bob", acl.Member)
	s, err := g.State()
	must(t, err)
	c, err := s.Change("bob")
	must(t, err)
	c.Devices = 1
	must(t, g.ChangeAccount(s, c))
	first, second := join(t, g), join(t, g)
	must(t, first.BecomeDevice(bob, "first"))
	must(t, sync(t, first, second))
	err = second.BecomeDevice(bob, "second")
	if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), `"bob" has 1 machines`) || !strings.Contains(fault.HintOf(err), "group device remove") {
		t.Errorf("got %v (%s)", err, fault.HintOf(err))
	}
	if second.HasLog() {
		t.Error("it has begun a log all the same")
	}
}

// TestAnAccountsLogsAreBounded: what everybody keeps of one account grows with the devices that an admin allows it, and is
// taken a day at a time.
func TestAnAccountsLogsAreBounded(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	g, err := group.Create(t.TempDir(), group.Created{Name: "acme", User: "alice", Stale: 720}, func() time.Time { return now })
	must(t, err)
	must(t, g.NobodyToAsk())
	eve := addUser(t, g, "eve", acl.Publisher)
	allow := func(n int64) {
		t.Helper()
		s, err := g.State()
		must(t, err)
		c, err := s.Change("eve")
		must(t, err)
		c.Devices = n
		must(t, g.ChangeAccount(s, c))
	}
	size := func(k signed.SigningKey) int64 {
		s, err := g.State()
		must(t, err)
		d, _ := s.Device(k.Public())
		return d.Size
	}
	allow(1)
	at := now.Add(time.Minute)
	must(t, ofDevice(t, g, eve, newDevice(t), at, 5, 1<<20-200)) // all of it at once
	if n := admitted(t, g, "eve"); n != 0 {
		t.Error("a log beyond the bound is taken when it is new")
	}
	a := newDevice(t)
	must(t, ofDevice(t, g, eve, a, at, 0, 0))
	must(t, ofDevice(t, g, eve, a, at, 3, 1<<20-200))
	must(t, ofDevice(t, g, eve, a, at, 5, 1<<20-200))
	if got := size(a); got != 4 {
		t.Errorf("%d records are taken, want 4: 4 MiB for the one device", got)
	}
	if err := ofDevice(t, g, eve, a, at, 6, 1<<20-200); err == nil {
		t.Error("what was refused is asked for again")
	}
	at = at.Add(time.Minute)
	allow(40)
	b := newDevice(t)
	must(t, ofDevice(t, g, eve, b, at, 0, 0))
	must(t, ofDevice(t, g, eve, b, at, 50, 1<<20-200))
	c := newDevice(t)
	must(t, ofDevice(t, g, eve, c, at, 0, 0))
	must(t, ofDevice(t, g, eve, c, at, 12, 1<<20-200))
	if got, other := size(b), size(c); got != 51 || other != 1 {
		t.Errorf("on one day %d and %d records of 1 MiB are taken, want 51 and 1", got, other)
	}
	now = now.Add(24 * time.Hour)
	must(t, ofDevice(t, g, eve, c, at, 12, 1<<20-200))
	if got := size(c); got != 13 {
		t.Errorf("the next day %d records are taken, want 13", got)
	}
}

func logSize(t *testing.T, g *group.Group) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(g.Dir(), "logs", g.Device().Public().String()+".rec"))
	must(t, err)
	return info.Size()
}

// TestNobodyFillsAnAdminsLog: who says again and again that he cannot open what he was granted is granted it a few times.
func TestNobodyFillsAnAdminsLog(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	eve := invited(t, alice, "eve")
	bob := invited(t, alice, "bob")
	must(t, sync(t, bob, alice))
	for i := range 20 {
		sealShare(t, alice, fmt.Sprint("s", i), "1", "alice", "eve", "bob")
	}
	care(t, alice)
	before := logSize(t, alice)
	key := accountOf(t, alice, "eve")
	for i := range 30 {
		c := acl.AccountChange{Name: "eve", Seal: key.Seal}
		if i%2 == 1 { // and its neighbours: other recipients, which close nothing
			c.Seal = accountOf(t, alice, "bob").Seal
		}
		must(t, eve.Append(c.Marshal))
		must(t, sync(t, eve, alice))
		must(t, alice.Asked(1))
		_, err := alice.Care()
		must(t, err)
	}
	if grown := logSize(t, alice) - before; grown > 2*(20+1)*5<<10 {
		t.Errorf("alice's log has grown by %d KB", grown>>10)
	}
	must(t, alice.Asked(1))
	remove(t, alice, "eve")
}

// TestRemovalAlwaysHasRoom: what a machine signs every day leaves room to remove somebody, and the very last of a log is for
// the removal alone.
func TestRemovalAlwaysHasRoom(t *testing.T) {
	alice := createPrivate(t, group.Created{Password: password})
	pad := func(ms int64) ([]byte, error) {
		return fmt.Appendf(nil, `{"n":%d,"op":"later","pad":"%s"}`, ms, bytes.Repeat([]byte("x"), 1<<20-100)), nil
	}
	invited(t, alice, "eve")
	invited(t, alice, "mallory")
	for range 55 {
		must(t, alice.Append(pad))
	}
	err := alice.Append(pad)
	if err == nil || !strings.Contains(fault.HintOf(err), "another machine") {
		t.Fatalf("an ordinary record fills the room for removals: %v", err)
	}
	if used, most := alice.Used(); used < most/2 {
		t.Errorf("%d of %d bytes are used", used, most)
	}
	must(t, alice.Append()) // to be heard of
	before := alice.Link().String()
	if out := remove(t, alice, "eve"); out.Later || alice.Link().String() == before {
		t.Error("there was room for the other key")
	}
	for range 8 {
		must(t, alice.Fill(pad))
	}
	before = alice.Link().String()
	if out := remove(t, alice, "mallory"); !out.Later || alice.Link().String() != before {
		t.Error("there was no room for the other key")
	}
	for _, name := range []string{"eve", "mallory"} {
		if a := accountOf(t, alice, name); !a.Gone {
			t.Errorf("%s is not removed", name)
		}
	}
	if _, err := alice.Care(); err != nil {
		t.Errorf("Care with a full log: %v", err)
	}
}
