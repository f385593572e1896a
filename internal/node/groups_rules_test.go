package node_test

import (
	"strings"
	"testing"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
)

// TestRulesThatNameNobody: a rule, or a list of readers, that denies or lets in nobody is refused where it is made, and a
// rule is not passed by with another spelling of the name.
func TestRulesThatNameNobody(t *testing.T) {
	owner := alone(t, t.TempDir())
	askGroup(t, owner, node.GroupRequest{Group: "acme", Create: &node.CreateGroup{Kind: "public", User: "alice"}})
	for _, r := range []struct{ rule, hint string }{
		{"deny everyone publish app/**", "write * for everybody"},
		{"deny @all read app/**", "write * for everybody"},
		{"deny alcie publish app/**", "did you mean alice?"},
		{"deny @crew publish app/**", "into the team"},
	} {
		_, err := owner.Group(t.Context(), node.GroupRequest{Group: "acme", AddRule: &node.AddRule{Rule: r.rule}}, func(node.Event) {})
		if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), r.hint) {
			t.Errorf("%s: got %v, hint %q, want %q", r.rule, err, fault.HintOf(err), r.hint)
		}
	}
	path := folder(t, "x", map[string]string{"f": "1"})
	for _, who := range []string{"everyone", "@all", "@crew", "alcie"} {
		r := node.PublishRequest{Path: path, In: &node.InGroup{Group: "acme", As: "x", For: []string{who}, Offline: true}}
		if err := owner.Publish(t.Context(), r, func(node.Event) {}); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "names nobody") {
			t.Errorf("--for %s: got %v", who, err)
		}
	}
	askGroup(t, owner, node.GroupRequest{Group: "acme", AddRule: &node.AddRule{Rule: "deny * publish app/**"}})
	for _, as := range []string{"App@9.0.0", "APP", "ａｐｐ@1", "app/x", "App/X@1"} {
		if _, err := publishAs(t, owner, path, "acme", as); fault.KindOf(err) != fault.Denied {
			t.Errorf("--as %s: got %v, want that it is denied", as, err)
		}
	}
}
