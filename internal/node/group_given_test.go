package node_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// TestHaveIsWorkedOutOnce: what a machine has for a caller is worked out when something has changed, and not for each call; and is right
// as soon as a rule, the catalog or what is here changes, and when a rule ends by its time.
func TestHaveIsWorkedOutOnce(t *testing.T) {
	alice, bob, _ := two(t)
	hashes := map[string]string{}
	publish := func(as string) {
		t.Helper()
		pub := publishFor(t, alice, folder(t, strings.ReplaceAll(as, "/", "-"), map[string]string{"a": as}), node.InGroup{As: as})
		hashes[pub.Infohash] = as
	}
	publish("a")
	publish("b")
	publish("hr/c")
	waitNames(t, bob, "family/a family/b family/hr/c")
	device, err := signed.ParseKey(askGroup(t, bob, familyRequest(func(r *node.GroupRequest) { r.Show = &struct{}{} })).Groups[0].Device)
	must(t, err)
	have := func() (list [][20]byte, names string) {
		list = node.HaveOf(alice, "family", device)
		var out []string
		for _, h := range list {
			out = append(out, hashes[fmt.Sprintf("%x", h)])
		}
		slices.Sort(out)
		return list, strings.Join(out, " ")
	}
	has := func(want, when string) {
		t.Helper()
		got := ""
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, got = have(); got == want {
				return
			}
		}
		t.Fatalf("%s: got %q, want %q", when, got, want)
	}
	has("a b hr/c", "all of it")
	one, _ := have()
	other, _ := have()
	if &one[0] != &other[0] {
		t.Error("it was worked out for the same again")
	}
	rule := func(text string) {
		t.Helper()
		askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddRule = &node.AddRule{Rule: text} }))
	}
	// From here on what was true before would be wrong at once.
	rule("deny bob read hr/**")
	if _, got := have(); got != "a b" {
		t.Errorf("after a rule: got %q", got)
	}
	rule("deny bob read b until " + time.Now().Add(3*time.Second).UTC().Format(time.RFC3339))
	if _, got := have(); got != "a" {
		t.Errorf("after a rule that ends: got %q", got)
	}
	has("a b", "once it has ended")
	publish("d")
	has("a b d", "after another entry")
	if _, err := alice.Catalog(t.Context(), node.CatalogRequest{Group: "family", Drop: new("b"), Offline: true}, func(node.Event) {}); err != nil {
		t.Fatal(err)
	}
	if _, got := have(); got != "a d" {
		t.Errorf("after an entry was dropped: got %q", got)
	}
	if got := node.HaveOf(alice, "family", signed.Key{1}); len(got) != 0 {
		t.Errorf("a stranger hears of %d", len(got))
	}
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	if got, _ := have(); len(got) != 0 {
		t.Errorf("after he was removed: got %d", len(got))
	}
}
