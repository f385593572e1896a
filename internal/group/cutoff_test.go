package group_test

import (
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
)

// TestWhyNot has machines that may sign nothing say why: one never had an account, one was cut off, of one the account was removed, of one
// it has ended.
func TestWhyNot(t *testing.T) {
	alice := createPrivate(t, group.Created{})
	cut, gone, ended := add(t, alice, "cut", acl.Publisher), add(t, alice, "gone", acl.Publisher), add(t, alice, "ended", acl.Publisher)
	reader, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "family"}, time.Now)
	must(t, err)
	must(t, alice.RemoveDevice(cut.Device().Public()))
	remove(t, alice, "gone")
	s, err := alice.State()
	must(t, err)
	c, err := s.Change("ended")
	must(t, err)
	c.Until = time.Unix(1_600_000_000, 0)
	must(t, alice.ChangeAccount(s, c))
	today := time.Now().Format(time.DateOnly)
	for _, x := range []struct {
		g    *group.Group
		want string
	}{
		{reader, `this machine is a reader of "family", and cannot publish`},
		{cut, "any more, and cannot publish: this machine (" + cut.Device().Public().String()[:12] + ") was cut off by alice on " + today},
		{gone, `any more, and cannot publish: the account "gone" was removed by alice on ` + today},
		{ended, `any more, and cannot publish: the account "ended" ended on 2020-09-13`},
	} {
		must(t, sync(t, alice, x.g)) // though no member would
		err := x.g.WhyNot("publish")
		if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), x.want) || fault.HintOf(err) == "" {
			t.Errorf("got %v (%s), want %q, and what to do", err, fault.HintOf(err), x.want)
		}
		if _, err := x.g.AsAdmin("publish"); err == nil || err.Error() != x.g.WhyNot("publish").Error() {
			t.Errorf("asked as an admin: got %v", err)
		}
	}
}
