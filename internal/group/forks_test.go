package group_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/access"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
)

// twin is a copy of a machine's home, which does not know of the first.
func twin(t *testing.T, of *group.Group) *group.Group {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(dir, os.DirFS(of.Dir())))
	must(t, os.Chmod(filepath.Join(dir, "device.key"), 0o600))
	g, err := group.Open(dir, time.Now)
	must(t, err)
	must(t, g.NobodyToAsk())
	return g
}

// view is what a member sees: the catalog, the people, and how far the devices count.
func view(t *testing.T, g *group.Group) string {
	t.Helper()
	s, err := g.State()
	must(t, err)
	var b strings.Builder
	fmt.Fprintln(&b, names(t, g), g.ForkSum())
	for _, a := range s.Accounts() {
		fmt.Fprintf(&b, "%+v\n", a)
	}
	for _, d := range s.Devices() {
		fmt.Fprintf(&b, "%v %s %d %v\n", d.Key, d.Account, d.Counts, d.Frozen)
	}
	return b.String()
}

// TestForkEndsTheSameEverywhere has a publisher's machine sign two histories, and later a third, and members see different ones
// of them in different orders: all of them end with the same catalog, also a newcomer, who was started anew, and who has an export.
func TestForkEndsTheSameEverywhere(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			alice := create(t)
			dave := join(t, alice)
			k := addUser(t, alice, "dave", acl.Publisher)
			must(t, sync(t, alice, dave))
			must(t, dave.BecomeDevice(k, "builder"))
			third := twin(t, dave)
			must(t, share(dave, "app", "1"))
			second := twin(t, dave)
			must(t, share(dave, "app", "2"))
			for i := range 3 {
				must(t, share(second, "app", fmt.Sprint("3.", i)))
			}
			must(t, share(third, "app", "9"))

			members := []*group.Group{join(t, alice), join(t, alice), join(t, alice)}
			must(t, sync(t, dave, members[0]))
			must(t, sync(t, second, members[1]))
			must(t, sync(t, alice, members[2]))
			meet := func() {
				t.Helper()
				for range 3 {
					for _, i := range order {
						for _, j := range order {
							if i != j {
								must(t, sync(t, members[i], members[j]))
							}
						}
						must(t, push(t, members[i], alice))
						must(t, sync(t, alice, members[i]))
					}
				}
			}
			same := func(want string, all ...*group.Group) {
				t.Helper()
				first := view(t, alice)
				for i, g := range append(slices.Clone(members), all...) {
					if got := view(t, g); got != first {
						t.Errorf("member %d sees\n%s\nthe admin\n%s", i, got, first)
					}
				}
				if got := names(t, alice); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			meet()
			same("app@1 by dave")

			// The third history parts earlier, and is shorter: who has it finds out. One member hears of it who was started anew.
			again, err := group.Open(members[1].Dir(), time.Now)
			must(t, err)
			members[1] = again
			must(t, sync(t, third, members[1]))
			must(t, sync(t, members[1], third))
			must(t, sync(t, third, members[1]))
			meet()
			export := filepath.Join(t.TempDir(), "export")
			_, _, err = members[order[0]].WriteArchive(export, 0o644)
			must(t, err)
			a, err := group.ReadArchive(export)
			must(t, err)
			offline, err := group.Join(t.TempDir(), alice.Link(), group.Joined{Name: "acme"}, time.Now)
			must(t, err)
			_, err = a.Into(t.Context(), offline)
			must(t, err)
			newcomer := join(t, members[order[0]])
			same("", newcomer, offline)
			if f := alice.Forked(); len(f) != 1 || f[0].Account != "dave" || f[0].Common != 1 || f[0].Admin || f[0].Own {
				t.Errorf("got %+v", f)
			}

			// What an admin does about it leaves it so.
			s, err := alice.State()
			must(t, err)
			c, err := s.WithoutDevice(dave.Device().Public())
			must(t, err)
			must(t, alice.Append(c.Marshal))
			meet()
			same("")
			s, err = alice.State()
			must(t, err)
			c, err = s.Removal("dave")
			must(t, err)
			must(t, alice.Append(c.Marshal))
			meet()
			same("")
		})
	}
}

// TestForkOfAnAdmin has an admin's machine sign two histories: what stands in one alone is undone, at everybody, and it is known
// whose it is. The machine itself is told how to go on.
func TestForkOfAnAdmin(t *testing.T) {
	alice := create(t)
	bob := join(t, alice)
	k := addUser(t, alice, "bob", acl.Publisher)
	must(t, sync(t, alice, bob))
	must(t, bob.BecomeDevice(k, "desk"))
	must(t, sync(t, bob, alice))
	copied := twin(t, alice)
	s, err := alice.State()
	must(t, err)
	c, err := s.Removal("bob")
	must(t, err)
	must(t, alice.Append(c.Marshal))
	addUser(t, copied, "eve", acl.Publisher)
	must(t, sync(t, alice, bob))
	if s, err = bob.State(); err == nil {
		if a, _ := s.Account("bob"); !a.Gone {
			t.Fatal("bob was not removed")
		}
	}
	must(t, sync(t, copied, bob))
	must(t, push(t, bob, copied))
	must(t, push(t, bob, alice))
	for name, g := range map[string]*group.Group{"bob": bob, "alice": alice, "her copy": copied} {
		s, err := g.State()
		must(t, err)
		if a, _ := s.Account("bob"); a.Gone {
			t.Errorf("%s: the removal that one history has counts", name)
		}
		if _, ok := s.Account("eve"); ok {
			t.Errorf("%s: the account that one history has is there", name)
		}
		if f := g.Forked(); len(f) != 1 || !f[0].Admin || f[0].Lost == 0 || f[0].Own != (g != bob) {
			t.Errorf("%s: got %+v", name, f)
		}
	}
	if _, err := alice.AsAdmin("add people"); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.HintOf(err), "group leave acme") {
		t.Errorf("the machine is told: %v; %s", err, fault.HintOf(err))
	}
	if standing, a := bob.Standing(alice.Device().Public()); standing != access.Login || a.Name != "alice" {
		t.Errorf("it is %v of %q: it could not hear of it", standing, a.Name)
	}
}
