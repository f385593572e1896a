//go:build reach

package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// reach is the home of the large group of the figures in docs/benchmarks.md: the empty folder that P2PSHARE_REACH names is
// left there.
func reach(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("P2PSHARE_REACH"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// copyLogs brings what one has signed to another, without a network.
func copyLogs(t *testing.T, from, to *group.Group) {
	t.Helper()
	must(t, to.AddRoots(t.Context(), from.Roots(1)))
	for _, h := range from.Heads(0) {
		at, news, err := to.Wants(h)
		must(t, err)
		if !news {
			continue
		}
		var records [][]byte
		for i := at; i < h.Size; {
			b, err := from.Records(h.Device, i, signed.MaxRecord+1)
			must(t, err)
			for r := range signed.Lines(b) {
				records = append(records, r)
				i++
			}
		}
		must(t, to.AddLog(t.Context(), h, at, records))
	}
}

// TestReachLargeCatalog measures a group of 20 publishers with 5,000 entries each.
func TestReachLargeCatalog(t *testing.T) {
	const publishers, each = 20, 5000
	home := reach(t)
	alice, err := group.Create(filepath.Join(home, "groups"), group.Created{Name: "acme", User: "alice", Label: "x", Stale: 720}, time.Now)
	must(t, err)
	must(t, alice.NobodyToAsk())
	for p := range publishers {
		secret, err := group.NewSecret()
		must(t, err)
		key, name := secret.Public(), fmt.Sprint("pub", p)
		must(t, alice.Append(func(n int64) ([]byte, error) {
			return acl.AccountChange{Name: name, Role: acl.Publisher, Key: &key}.Marshal(n)
		}))
		g, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, time.Now)
		must(t, err)
		copyLogs(t, alice, g)
		must(t, g.NobodyToAsk())
		must(t, g.BecomeDevice(group.Key{Kind: group.KeyAccount, Group: g.ID(), Account: name, Secret: secret}, name))
		var records []func(int64) ([]byte, error)
		for i := range each {
			id := fmt.Sprintf("%d-%d", p, i)
			v1 := metainfo.HashBytes([]byte(id))
			s := catalog.Share{ID: id, Name: fmt.Sprintf("project%d/tool%d", p, i/10), Version: fmt.Sprintf("1.%d.%d", i%10, i%7),
				Content: fmt.Sprintf("tool%d-1.%d.tar.gz", i/10, i%10), Time: time.Unix(time.Now().Unix(), 0), Size: int64(i)*1000 + 1, Files: 1, V1: &v1,
				Info: signed.HashOf([]byte(id)), Torrent: signed.HashOf([]byte(id + "t")), Sums: []signed.Hash{signed.HashOf([]byte(id + "s"))},
				Note: "A release of the tool, built from its tag"}
			records = append(records, s.Marshal)
		}
		must(t, g.Append(records...))
		copyLogs(t, g, alice)
	}
	dir := alice.Dir()
	alice = nil
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	g, err := group.Open(dir, time.Now)
	must(t, err)
	ix, err := g.Index()
	must(t, err)
	opened := time.Since(begun)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("opened and folded %d entries in %v, %d MB on the heap", ix.Len(), opened, (after.HeapAlloc-before.HeapAlloc)>>20)
	begun = time.Now()
	found := ix.Search("tool499 built")
	t.Logf("searched in %v: %d found", time.Since(begun), len(found))
	if ix.Len() != publishers*each || len(found) != publishers*10 {
		t.Errorf("%d entries and %d found", ix.Len(), len(found))
	}
	g, ix = nil, nil

	owner, _ := daemon(t, home, nil)
	begun = time.Now()
	list := askCatalog(t, owner, node.CatalogRequest{Group: "acme", List: &node.ListCatalog{All: true}})
	t.Logf("a daemon lists all %d in %v", len(list.Entries), time.Since(begun))
	link := askGroup(t, owner, node.GroupRequest{Group: "acme", Link: &node.LinkGroup{}}).Link
	late, _ := daemon(t, t.TempDir(), nil)
	begun = time.Now()
	j := askGroup(t, late, node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: []string{addrOf(t, owner)}, Timeout: 30 * time.Second}})
	t.Logf("a newcomer has all %d in %v", j.Groups[0].Entries, time.Since(begun))
	if j.Groups[0].Entries != publishers*each {
		t.Errorf("a newcomer has %d entries", j.Groups[0].Entries)
	}
	begun = time.Now()
	if _, err := publishAs(t, owner, folder(t, "new", map[string]string{"f": "1"}), "acme", "new@1"); err != nil {
		t.Fatal(err)
	}
	published := time.Since(begun)
	for show(t, late).Entries != publishers*each+1 {
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("one more was published in %v, and was there after %v", published, time.Since(begun))
}

// TestReachFiftyMembers measures how long a new entry takes to 50 members of whom each knows one other, four of them the owner.
func TestReachFiftyMembers(t *testing.T) {
	owner, _ := daemon(t, t.TempDir(), nil)
	link := askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public"}}).Link
	members := []*node.Node{owner}
	begun := time.Now()
	for i := 1; i <= 50; i++ {
		n, _ := daemon(t, t.TempDir(), nil)
		askGroup(t, n, node.GroupRequest{Group: link, Join: &node.JoinGroup{Peers: []string{addrOf(t, members[(i-1)/4])}, Timeout: 30 * time.Second}})
		members = append(members, n)
	}
	t.Logf("50 joined one after the other in %v", time.Since(begun))
	for i := range 5 {
		from := members[0]
		as := fmt.Sprint("app@", i)
		path := folder(t, fmt.Sprint("app", i), map[string]string{"f": as})
		begun := time.Now()
		if _, err := publishAs(t, from, path, "acme", as); err != nil {
			t.Fatal(err)
		}
		published := time.Since(begun)
		for _, n := range members {
			for show(t, n).Entries != i+1 {
				time.Sleep(2 * time.Millisecond)
			}
		}
		t.Logf("%s: published after %v, with all 50 after %v", as, published, time.Since(begun))
	}
}
