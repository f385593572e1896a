package node_test

import (
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestClaimedHashes: a member signs an entry of his own with the hashes of one that the rules keep from him. It gives him
// nothing, at no holder, in whatever spelling; and who fetches by it is told whose the torrent is not.
func TestClaimedHashes(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	home := t.TempDir()
	bobs, end := daemon(t, home, quickly)
	if _, err := tryJoin(t, bobs, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	carol, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob carol join")
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddRule = &node.AddRule{Rule: "allow bob publish **"} }))
	publishFor(t, alice, folder(t, "pay", map[string]string{"pay.txt": string(make([]byte, 2<<20))}), node.InGroup{As: "hr/pay"})
	waitNames(t, carol, "family/hr/pay")
	waitNames(t, bobs, "family/hr/pay")
	if _, err := fetchNamed(t, carol, node.FetchRequest{Ref: "family/hr/pay", Dir: t.TempDir(), Seed: true}); err != nil {
		t.Fatal(err)
	}
	end()
	bob := thief(t, home)
	ix, err := bob.Index()
	must(t, err)
	pay, err := ix.Resolve("hr/pay", "")
	must(t, err)
	link := linkOf(t, a.Link)
	may := func(n *node.Node, want int, when string) {
		t.Helper()
		c := caller(t, n, link, bob.Device())
		for what, h := range map[string]string{"the .torrent": pay.Torrent.String(), "the index of chunks": pay.Chunks.String()} {
			if got, _ := asks(t, c, "GET", "/v1/torrent/"+h, ""); got != want {
				t.Errorf("%s, %s: got %d, want %d", when, what, got, want)
			}
		}
	}
	may(alice, 200, "while he may read it")
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddRule = &node.AddRule{Rule: "deny bob read hr/**"} }))
	may(alice, 404, "after the rule")
	// The claims: a copy of it, one for himself, one with the hashes of the .torrent and the index alone, and one with a time
	// that is as early as his log lets him choose.
	must(t, bob.NobodyToAsk())
	for name, change := range map[string]func(s *catalog.Share){
		"holiday":  func(*catalog.Share) {},
		"mine":     func(s *catalog.Share) { s.Read = []string{"bob"} },
		"borrowed": func(s *catalog.Share) { s.Info = [32]byte{1}; s.V1 = nil },
	} {
		s := *pay.Share
		s.Name, s.ID, s.Read, s.Time = name, "", nil, time.Unix(time.Now().Unix(), 0).UTC()
		change(&s)
		to, err := bob.Audience(s.Path(), s.Read)
		must(t, err)
		must(t, bob.Append(append(to.Grants, to.Share(&s))...))
	}
	for _, n := range []*node.Node{alice, carol} {
		must(t, groupsync.NewPeer(caller(t, n, link, bob.Device()), link.Group, bob).Push(t.Context()))
	}
	waitNames(t, carol, "family/borrowed family/holiday family/hr/pay")
	may(alice, 404, "by a claim, at who published it")
	may(carol, 404, "by a claim, at who fetched it")
	if _, err := fetchNamed(t, carol, node.FetchRequest{Ref: "family/holiday", Dir: t.TempDir()}); fault.KindOf(err) != fault.Unverified {
		t.Errorf("carol fetches by the claim: got %v, want that it is not bob's", err)
	}
}
