package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
)

// quickly makes passwords with a small work factor: the real one takes a second each.
func quickly(o *node.Options) { o.PasswordWork = 2 }

// home is a daemon with its private group, by the name of who uses it.
func family(t *testing.T, c node.CreateGroup) (alice *node.Node, a *node.GroupAnswer) {
	t.Helper()
	alice, _ = daemon(t, t.TempDir(), quickly)
	c.Kind, c.User = "private", "alice"
	a = askGroup(t, alice, node.GroupRequest{Group: "family", Create: &c})
	return alice, a
}

// joins is a daemon that joins at another.
func joins(t *testing.T, at *node.Node, link string, j node.JoinGroup) (*node.Node, *node.GroupAnswer, error) {
	t.Helper()
	n, _ := daemon(t, t.TempDir(), quickly)
	a, err := tryJoin(t, n, at, link, j)
	return n, a, err
}

func tryJoin(t *testing.T, n, at *node.Node, link string, j node.JoinGroup) (*node.GroupAnswer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	j.Peers = []string{addrOf(t, at)}
	if j.Timeout == 0 {
		j.Timeout = 50 * time.Second
	}
	return n.Group(ctx, node.GroupRequest{Group: link, Join: &j}, func(node.Event) {})
}

func TestJoinAPrivateGroup(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	if a.Link == "" || len(strings.Split(string(a.Password), "-")) < 5 || a.Groups[0].Kind != "private" || a.Groups[0].Role != "admin" || len(a.Notes) == 0 {
		t.Fatalf("created: %+v with the password %q", a, string(a.Password))
	}
	bob, b, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if b.User != "bob" || b.Groups[0].Name != "family" || b.Groups[0].Account != "bob" || b.Groups[0].Role != "member" {
		t.Errorf("joined: %+v as %q", b.Groups[0], b.User)
	}
	// By any member, and by a name that is taken.
	_, c, err := joins(t, bob, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	if err != nil || c.User != "bob-2" {
		t.Fatalf("the second bob: got %+v, %v", c, err)
	}
	waitAccounts(t, alice, "alice bob bob-2 join")
}

// waitAccounts waits until a node knows these accounts and no others that are not gone.
func waitAccounts(t *testing.T, n *node.Node, want string) {
	t.Helper()
	waitShown(t, n, want, func(a *node.GroupAnswer) string {
		var out []string
		for _, x := range a.Accounts {
			if !x.Gone {
				out = append(out, x.Name)
			}
		}
		return strings.Join(out, " ")
	})
}

func waitShown(t *testing.T, n *node.Node, want string, say func(*node.GroupAnswer) string) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := say(askGroup(t, n, node.GroupRequest{Group: "family", Show: &struct{}{}}))
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestJoinWithAWrongPassword(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	home := t.TempDir()
	bob, _ := daemon(t, home, quickly)
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "carol", Role: "member"} }))
	_, ofGroup := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: "not that one at all", Account: "bob"})
	_, wrong := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: "not that one at all", User: "carol"})
	_, nobody := tryJoin(t, bob, alice, a.Link, node.JoinGroup{Password: a.Password, User: "zoe"})
	for what, err := range map[string]error{"a wrong password": wrong, "a wrong user": nobody, "a wrong password of the group": ofGroup} {
		if fault.KindOf(err) != fault.Denied || !errors.Is(err, seal.ErrPassword) || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want that it is refused, with a hint", what, err)
		}
	}
	if wrong != nil && nobody != nil && wrong.Error() != nobody.Error() {
		t.Errorf("a wrong password says %q, a wrong user %q: want one text for both", wrong, nobody)
	}
	if ofGroup != nil && strings.Contains(ofGroup.Error()+fault.HintOf(ofGroup), "user") {
		t.Errorf("who named no user hears %q, %q", ofGroup, fault.HintOf(ofGroup))
	}
	list, err := os.ReadDir(filepath.Join(home, "groups"))
	if err != nil && !errors.Is(err, os.ErrNotExist) || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	waitAccounts(t, alice, "alice carol join")
	typo := []byte(a.Link)
	typo[len(typo)-5] ^= 1
	for name, c := range map[string]struct {
		link string
		j    node.JoinGroup
	}{
		"a mistyped link":    {string(typo), node.JoinGroup{Password: a.Password}},
		"no password":        {a.Link, node.JoinGroup{}},
		"a name and a user":  {a.Link, node.JoinGroup{Password: a.Password, User: "a", Account: "b"}},
		"a bad name":         {a.Link, node.JoinGroup{Password: a.Password, Account: "Bob!"}},
		"the invite as user": {a.Link, node.JoinGroup{Password: a.Password, User: "join"}},
	} {
		if _, err := tryJoin(t, bob, alice, c.link, c.j); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
}

func TestCreateRefusals(t *testing.T) {
	n := alone(t, t.TempDir())
	for name, c := range map[string]node.CreateGroup{
		"a short password":       {Kind: "private", Password: "abc"},
		"the group's name":       {Kind: "private", Password: "family-family"},
		"open for nobody":        {Kind: "private", Open: true, NoJoin: true},
		"no join and a password": {Kind: "private", NoJoin: true, Password: "correct horse battery"},
		"public with a password": {Kind: "public", Password: "correct horse battery"},
		"public and strict":      {Kind: "public", Strict: true},
		"the admin called join":  {Kind: "private", User: "join"},
		"neither":                {Kind: "secret"},
	} {
		_, err := n.Group(t.Context(), node.GroupRequest{Group: "family", Create: &c}, func(node.Event) {})
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
}
