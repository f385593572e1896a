package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/groupnet"
	"github.com/p2pshare/p2pshare/internal/groupsync"
	"github.com/p2pshare/p2pshare/internal/node"
	"github.com/p2pshare/p2pshare/internal/seal"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// caller asks a node as who has a key, under the server name of a link.
func caller(t *testing.T, n *node.Node, l signed.Link, as signed.SigningKey) *http.Client {
	t.Helper()
	c := groupnet.Client(&net.Dialer{}, groupnet.Member{Addr: addrOf(t, n), ServerName: l.ServerName(signed.DayOf(time.Now())), Identity: as})
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// asks gives the status of an answer, 0 where the connection was closed without one.
func asks(t *testing.T, c *http.Client, method, path, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://member"+path, strings.NewReader(body))
	must(t, err)
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, b
}

func linkOf(t *testing.T, s string) signed.Link {
	t.Helper()
	l, err := signed.ParseLink(s)
	must(t, err)
	return l
}

// thief is the home of a member as somebody who has copied it finds it.
func thief(t *testing.T, home string) *group.Group {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(home, "groups", "*"))
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("the home has %v", list)
	}
	dir := filepath.Join(t.TempDir(), filepath.Base(list[0]))
	must(t, os.CopyFS(dir, os.DirFS(list[0])))
	for _, name := range []string{"device.key", "keys.json"} {
		must(t, os.Chmod(filepath.Join(dir, name), 0o600))
	}
	g, err := group.Open(dir, time.Now)
	must(t, err)
	return g
}

// TestWhatEachKeyMay is decision by decision what a key is answered.
func TestWhatEachKeyMay(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	link := linkOf(t, a.Link)
	bobHome := t.TempDir()
	bobs, _ := daemon(t, bobHome, quickly)
	if _, err := tryJoin(t, bobs, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob join")
	stranger, err := group.NewSecret()
	must(t, err)
	pass := passOf(t, link, "join", string(a.Password))
	_, slot := asks(t, caller(t, alice, link, link.Lobby()), "GET", "/v1/slot/"+pass.Tag().String(), "")
	invite, err := pass.Open(slot)
	must(t, err)
	bob := thief(t, bobHome)
	paths := []string{
		"GET /v1/root", "GET /v1/slot/" + strings.Repeat("0", 64), "GET /v1/heads", "GET /v1/forks", "GET /v1/log/" + bob.Device().Public().String(),
		"GET /v1/torrent/" + strings.Repeat("0", 64), "GET /v1/have", "POST /v1/heads", "POST /v1/root", "POST /v1/log/" + bob.Device().Public().String(),
	}
	for _, c := range []struct {
		name string
		as   signed.SigningKey
		want []int
	}{
		{"a stranger who saw the server name", stranger, []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"who has the link", link.Lobby(), []int{200, 200, 403, 403, 403, 403, 403, 403, 403, 403}},
		{"who has the password", invite.Key, []int{200, 200, 200, 200, 200, 403, 403, 400, 400, 400}},
		{"a member", bob.Device(), []int{200, 200, 200, 200, 200, 404, 200, 400, 400, 400}},
	} {
		client := caller(t, alice, link, c.as)
		for i, path := range paths {
			method, at, _ := strings.Cut(path, " ")
			got, body := asks(t, client, method, at, "not json")
			if got != c.want[i] {
				t.Errorf("%s, %s: got %d, want %d", c.name, path, got, c.want[i])
			}
			if got == 403 && string(body) != "not for you\n" {
				t.Errorf("%s, %s: hears %q", c.name, path, body)
			}
		}
	}
	// Content is for devices alone.
	for name, as := range map[string]signed.SigningKey{"the lobby": link.Lobby(), "the invite": invite.Key} {
		c, _, err := groupnet.Dial(t.Context(), &net.Dialer{}, groupnet.Member{Addr: addrOf(t, alice), ServerName: link.ServerName(signed.DayOf(time.Now())), Identity: as}, groupnet.Swarm)
		if err != nil {
			continue
		}
		must(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: a connection for content is open: %v", name, err)
		}
		c.Close()
	}
}

// TestRemovedMemberWithItsKeys has a removed member use all it has: its device, the old link, what it signs with times from
// before.
func TestRemovedMemberWithItsKeys(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	home := t.TempDir()
	bobs, end := daemon(t, home, quickly)
	if _, err := tryJoin(t, bobs, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	carols, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob carol join")
	waitAccounts(t, carols, "alice bob carol join")
	end()
	bob := thief(t, home)
	link := linkOf(t, a.Link)
	open := caller(t, alice, link, bob.Device())
	if got, _ := asks(t, open, "GET", "/v1/heads", ""); got != 200 {
		t.Fatalf("before: got %d", got)
	}
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	waitAccounts(t, carols, "alice carol join")
	// What he appends carries the time of his last record and one: from before his removal.
	must(t, bob.NobodyToAsk())
	must(t, bob.Append(func(n int64) ([]byte, error) {
		return acl.Grant{Audience: "all", Epoch: 7, To: []string{"bob"}, Box: []byte("x")}.Marshal(n)
	}))
	for name, as := range map[string]signed.SigningKey{"his device": bob.Device(), "the old link": link.Lobby()} {
		for who, n := range map[string]*node.Node{"the admin": alice, "another": carols} {
			client := caller(t, n, link, as)
			for _, path := range []string{"/v1/root", "/v1/heads", "/v1/slot/" + passOf(t, link, "join", string(a.Password)).Tag().String(), "/v1/have"} {
				if got, _ := asks(t, client, "GET", path, ""); got != 0 {
					t.Errorf("%s at %s, %s: got %d, want a closed connection", name, who, path, got)
				}
			}
			if err := groupsync.NewPeer(client, link.Group, bob).Push(t.Context()); err == nil {
				t.Errorf("%s at %s: what he signed was taken", name, who)
			}
		}
	}
	if got, _ := asks(t, open, "GET", "/v1/heads", ""); got != 0 {
		t.Errorf("on a connection from before: got %d, want a closed connection", got)
	}
	// By hands that are still in it counts for nothing either: the log is kept as it was vouched for.
	waitAccounts(t, alice, "alice carol join")
}

func TestStolenDevice(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	home := t.TempDir()
	bobs, end := daemon(t, home, quickly)
	if _, err := tryJoin(t, bobs, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob join")
	end()
	stolen := thief(t, home)
	client := caller(t, alice, linkOf(t, a.Link), stolen.Device())
	if got, _ := asks(t, client, "GET", "/v1/heads", ""); got != 200 {
		t.Fatalf("before: got %d", got)
	}
	out := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveDevice = text(stolen.Device().Public().String()[:12]) }))
	if out.Link == a.Link || len(out.Notes) != 2 {
		t.Errorf("the device removed: the link is new: %v, notes %q", out.Link != a.Link, out.Notes)
	}
	if got, _ := asks(t, client, "GET", "/v1/heads", ""); got != 0 {
		t.Errorf("after: got %d, want a closed connection", got)
	}
	waitAccounts(t, alice, "alice bob join")
}

// TestNothingIsHandedToTheRemoved has a removed member go on listening at an address that others call: they hang up, and hand
// it nothing of what is signed after.
func TestNothingIsHandedToTheRemoved(t *testing.T) {
	aliceHome, bobHome := t.TempDir(), t.TempDir()
	alice, endAlice := daemon(t, aliceHome, quickly)
	a := askGroup(t, alice, node.GroupRequest{Group: "family", Create: &node.CreateGroup{Kind: "private", User: "alice"}})
	bobs, endBob := daemon(t, bobHome, quickly)
	if _, err := tryJoin(t, bobs, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); err != nil {
		t.Fatal(err)
	}
	waitAccounts(t, alice, "alice bob join")
	endBob()
	endAlice()
	bob := thief(t, bobHome)
	var handed atomic.Int64
	pushes, hung := make(chan bool, 100), make(chan bool, 100)
	inner := groupsync.NewHandler(groupsync.Options{Group: bob.ID(), Vault: bob, Rights: func(*http.Request) groupsync.Rights {
		return groupsync.Rights{Root: true, Read: true, Push: true}
	}})
	addr := answers(t, bob.Device(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			handed.Add(1)
			pushes <- true
		}
		inner.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			hung <- true
		}
	}))
	calls := quiet
	calls.Peers = []string{addr}
	alice, _ = daemon(t, aliceHome, func(o *node.Options) { quickly(o); o.Network = calls })
	within(t, pushes, "a member is handed what is new")
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.RemoveUser = text("bob") }))
	within(t, hung, "who was removed is hung up on")
	before := handed.Load()
	added := askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "carol", Role: "member"} }))
	carol, _, err := joins(t, alice, added.Link, node.JoinGroup{User: "carol", Password: added.Password})
	must(t, err)
	waitAccounts(t, carol, "alice carol join")
	if got := handed.Load(); got != before {
		t.Errorf("after the removal it was handed %d more", got-before)
	}
	if n := accountsOf(t, bob); strings.Contains(n, "carol") {
		t.Errorf("it knows of %q", n)
	}
}

func accountsOf(t *testing.T, g *group.Group) string {
	t.Helper()
	s, err := g.State()
	must(t, err)
	var out []string
	for _, a := range s.Accounts() {
		out = append(out, a.Name)
	}
	return strings.Join(out, " ")
}

func within(t *testing.T, c <-chan bool, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(60 * time.Second):
		t.Fatalf("in vain waited that %s", what)
	}
}

// slots is a false member that answers every slot with what it was made with.
func slots(t *testing.T, link signed.Link, root []byte, slot []byte) string {
	t.Helper()
	me, err := group.NewSecret()
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/root", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("from") == "1" {
			fmt.Fprintf(w, `{"roots":[%q]}`, root)
			return
		}
		io.WriteString(w, `{"roots":[]}`)
	})
	mux.HandleFunc("GET /v1/slot/{tag}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(slot) })
	return answers(t, me, mux)
}

// answers is somebody who answers to any group's name.
func answers(t *testing.T, me signed.SigningKey, h http.Handler) string {
	t.Helper()
	g := &groupnet.Group{Identity: me, Admit: func(signed.Key, string) error { return nil }, Sync: h}
	s := groupnet.NewServer(func(string) *groupnet.Group { return g }, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestSlotsThatCostTooMuch has members hand out slots that would cost a joiner minutes and gigabytes.
func TestSlotsThatCostTooMuch(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	link := linkOf(t, a.Link)
	_, real := asks(t, caller(t, alice, link, link.Lobby()), "GET", "/v1/slot/"+passOf(t, link, "join", string(a.Password)).Tag().String(), "")
	witness := caller(t, alice, link, link.Lobby())
	_, roots := asks(t, witness, "GET", "/v1/root?from=1", "")
	first := firstRoot(t, roots)
	for name, slot := range map[string][]byte{
		"a work factor of 18":    bytes.Replace(real, []byte(" 1\n"), []byte(" 18\n"), 1),
		"a work factor of 22":    bytes.Replace(real, []byte(" 1\n"), []byte(" 22\n"), 1),
		"a header of many":       append([]byte("age-encryption.org/v1\n"), bytes.Repeat([]byte("-> scrypt AAAAAAAAAAAAAAAAAAAAAA 18\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"), 150)...),
		"more than a slot":       bytes.Repeat([]byte("x"), 20<<10),
		"no age file":            []byte("hello"),
		"another group's":        otherSlot(t),
		"a slot of another name": aSlot(t, link.Group, "zoe", string(a.Password)),
	} {
		n, _ := daemon(t, t.TempDir(), quickly)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := n.Group(ctx, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Password: a.Password, Account: "bob", Peers: []string{slots(t, link, first, slot)}, Timeout: 8 * time.Second}}, func(node.Event) {})
		cancel()
		if k := fault.KindOf(err); k != fault.Unverified && k != fault.Denied && k != fault.Timeout {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
		// And beside such a one the right member is found all the same.
		if name == "a work factor of 22" {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := n.Group(ctx, node.GroupRequest{Group: a.Link, Join: &node.JoinGroup{Password: a.Password, Account: "bob", Peers: []string{slots(t, link, first, slot), addrOf(t, alice)}, Timeout: 50 * time.Second}}, func(node.Event) {})
			cancel()
			if err != nil {
				t.Errorf("%s, with an honest member beside: %v", name, err)
			}
		}
	}
}

// passOf is what a password is in a daemon of the tests.
func passOf(t *testing.T, link signed.Link, account, password string) seal.Pass {
	t.Helper()
	p, err := seal.Stretch(link.Group, account, password, 2)
	must(t, err)
	return p
}

func firstRoot(t *testing.T, answer []byte) []byte {
	t.Helper()
	var in struct{ Roots []string }
	unmarshal(t, answer, &in)
	if len(in.Roots) == 0 {
		t.Fatalf("no root in %s", answer)
	}
	return []byte(in.Roots[0])
}

func aSlot(t *testing.T, id signed.GroupID, name, password string) []byte {
	t.Helper()
	key, err := group.NewSecret()
	must(t, err)
	ident, err := seal.NewAccount()
	must(t, err)
	b, err := seal.MakeSlot(seal.Login{Account: name, Group: id, Key: key, Seal: ident}, password, 2)
	must(t, err)
	s, err := seal.ParseSlot(b)
	must(t, err)
	return s.Box
}

func otherSlot(t *testing.T) []byte {
	t.Helper()
	return aSlot(t, signed.GroupID{1}, "join", "whatever")
}

// TestNamesCannotBeAskedFor probes names at two members, with the link alone and with guessed passwords, before and after
// accounts are made and their passwords changed.
func TestNamesCannotBeAskedFor(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	bob, _, err := joins(t, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"})
	must(t, err)
	locked := func(n *node.Node, want string) {
		t.Helper()
		waitShown(t, n, want, func(x *node.GroupAnswer) string {
			var out []string
			for _, acc := range x.Accounts {
				if acc.Locked {
					out = append(out, acc.Name)
				}
			}
			slices.Sort(out)
			return strings.Join(out, " ")
		})
	}
	link := linkOf(t, a.Link)
	var paths []string
	for _, name := range []string{"bob", "eve", "zoe", "join", "nobody.at-all_1234567890123456"} {
		paths = append(paths, "/v1/slot/"+passOf(t, link, name, "a guess").Tag().String(), "/v1/slot/"+signed.HashOf([]byte(name)).String())
	}
	_, real := asks(t, caller(t, alice, link, link.Lobby()), "GET", "/v1/slot/"+passOf(t, link, "join", string(a.Password)).Tag().String(), "")
	if _, err := passOf(t, link, "join", string(a.Password)).Open(real); err != nil {
		t.Fatalf("with the password: %v", err)
	}
	first := map[string][]byte{}
	look := func(when string) {
		t.Helper()
		for _, n := range []*node.Node{alice, bob} {
			c := caller(t, n, link, link.Lobby())
			for _, path := range paths {
				status, got := asks(t, c, "GET", path, "")
				if first[path] == nil {
					first[path] = got
				}
				if status != 200 || len(got) != len(real) || !bytes.Equal(got, first[path]) {
					t.Errorf("%s, %s: got %d and %d bytes, the same as the first time: %v", when, path, status, len(got), bytes.Equal(got, first[path]))
				}
			}
		}
	}
	locked(bob, "join")
	look("at first")
	askGroup(t, bob, familyRequest(func(r *node.GroupRequest) { r.Passwd = &node.ChangePassword{} }))
	askGroup(t, alice, familyRequest(func(r *node.GroupRequest) { r.AddUser = &node.AddUser{Name: "eve", Role: "member"} }))
	locked(alice, "bob eve join")
	locked(bob, "bob eve join")
	look("eve is there, and bob has a password")
}

// TestGuessesAreCounted: one connection with the link alone asks again and again; a member's own machine goes on.
func TestGuessesAreCounted(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	link := linkOf(t, a.Link)
	c := caller(t, alice, link, link.Lobby())
	status, asked := 200, 0
	for ; status == 200 && asked < 1000; asked++ {
		status, _ = asks(t, c, "GET", fmt.Sprintf("/v1/slot/%064x", asked), "")
	}
	if status != 429 || asked > 100 {
		t.Errorf("after %d guesses: got %d, want 429 after 60 and some", asked, status)
	}
	if status, _ := asks(t, c, "GET", "/v1/root?from=1", ""); status != 200 {
		t.Errorf("the root meanwhile: got %d", status)
	}
	// Who knows the password is not answered otherwise.
	if status, _ := asks(t, c, "GET", "/v1/slot/"+passOf(t, link, "join", string(a.Password)).Tag().String(), ""); status != 429 {
		t.Errorf("with the right password: got %d, want 429", status)
	}
	n, _ := daemon(t, t.TempDir(), quickly)
	if _, err := tryJoin(t, n, alice, a.Link, node.JoinGroup{Password: a.Password, Account: "bob"}); fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "too many passwords") {
		t.Errorf("joining from there: got %v, want to be told that too many were tried", err)
	}
}

// TestLobbyIsBounded has one address come again and again with the link alone.
func TestLobbyIsBounded(t *testing.T) {
	alice, a := family(t, node.CreateGroup{})
	link := linkOf(t, a.Link)
	refused := false
	for i := 0; i < 400 && !refused; i++ {
		c := caller(t, alice, link, link.Lobby())
		got, _ := asks(t, c, "GET", "/v1/root", "")
		c.CloseIdleConnections()
		refused = got == 0
	}
	if !refused {
		t.Error("400 connections with the link alone were all let in")
	}
}

func unmarshal(t *testing.T, b []byte, v any) {
	t.Helper()
	must(t, json.Unmarshal(b, v))
}
