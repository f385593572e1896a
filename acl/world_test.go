package acl_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/internal/signed"
)

var start = time.Unix(1_790_000_000, 0).UTC()

func secret(name string) signed.SigningKey {
	seed := sha256.Sum256([]byte(name))
	s, err := signed.SigningKeyFromSeed(seed[:])
	if err != nil {
		panic(err)
	}
	return s
}

func key(name string) signed.Key    { return secret(name).Public() }
func keyOf(name string) *signed.Key { k := key(name); return &k }
func at(ms int64) int64             { return start.UnixMilli() + ms }
func timeAt(ms int64) time.Time     { return time.UnixMilli(at(ms)) }
func keep(kv ...any) map[signed.Key]int64 {
	out := map[signed.Key]int64{}
	for i := 0; i < len(kv); i += 2 {
		out[key(kv[i].(string))] = int64(kv[i+1].(int))
	}
	return out
}

// world is a group whose devices are named; a device's key grows from its name, an account's from its own.
type world struct {
	t     testing.TB
	roots []*signed.SignedRoot
	logs  map[string][][]byte
	heads map[string]int64
}

// newWorld has the admins alice and bob, with one device each, and the invite "join".
func newWorld(t testing.TB) *world {
	w := &world{t: t, logs: map[string][][]byte{}, heads: map[string]int64{}}
	w.root(signed.Root{Version: 1, Name: "films", Kind: signed.Public, Need: 1, Owners: []signed.Key{key("owner")},
		Admins: []signed.Admin{{Name: "alice", Key: key("alice")}, {Name: "bob", Key: key("bob")}}, Stale: 720, Time: start})
	w.hello("alice1", 1, acl.Hello{Account: "alice"}, "alice", "")
	w.hello("bob1", 2, acl.Hello{Account: "bob"}, "bob", "")
	return w
}

func (w *world) root(r signed.Root) {
	w.t.Helper()
	raw, err := r.Sign(secret("owner"))
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := signed.ParseRoot(raw)
	if len(w.roots) > 0 && err == nil {
		s, err = w.roots[len(w.roots)-1].Next(raw)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.roots = append(w.roots, s)
}

func (w *world) gid() signed.GroupID { return w.roots[0].ID() }

func (w *world) hello(dev string, ms int64, h acl.Hello, by, invite string) {
	w.t.Helper()
	var inv *signed.SigningKey
	if invite != "" {
		s := secret(invite)
		inv = &s
	}
	raw, err := acl.NewHello(w.gid(), key(dev), h, at(ms), secret(by), inv)
	if err != nil {
		w.t.Fatal(err)
	}
	w.logs[dev] = append(w.logs[dev], raw)
}

// join brings a person in with the invite "join", whose key is that of joinKey.
func (w *world) join(dev string, ms int64, name, joinKey string) {
	w.t.Helper()
	w.hello(dev, ms, acl.Hello{Account: name, Key: keyOf(name), Invite: "join"}, name, joinKey)
}

type marshaler interface {
	Marshal(n int64) ([]byte, error)
}

func (w *world) sign(dev string, ms int64, m marshaler) {
	w.t.Helper()
	raw, err := m.Marshal(at(ms))
	if err != nil {
		w.t.Fatal(err)
	}
	w.logs[dev] = append(w.logs[dev], raw)
}

// share stands for any record of the catalog.
func (w *world) share(dev string, ms int64) (index int64) {
	w.logs[dev] = append(w.logs[dev], fmt.Appendf(nil, `{"n":%d,"op":"share"}`, at(ms)))
	return int64(len(w.logs[dev]) - 1)
}

func (w *world) rule(dev string, ms int64, id string, pos int64, text string) {
	w.t.Helper()
	r, err := acl.ParseRule(text)
	if err != nil {
		w.t.Fatal(err)
	}
	r.ID, r.Pos = id, pos
	w.sign(dev, ms, acl.RuleChange{Rule: r})
}

func (w *world) parts() []*acl.Part {
	var out []*acl.Part
	for _, dev := range slices.Sorted(maps.Keys(w.logs)) {
		p := acl.NewPart(w.gid(), key(dev))
		p.Add(signed.ParseLog(key(dev), 0, 0, slices.Values(w.logs[dev]), start.Add(time.Hour)))
		out = append(out, p)
	}
	return out
}

func (w *world) fold() *acl.State {
	w.t.Helper()
	s, err := acl.Fold(w.roots, w.parts(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// account adds a person whom alice made.
func (w *world) account(ms int64, name string, role acl.Role, teams ...string) {
	w.t.Helper()
	w.sign("alice1", ms, acl.AccountChange{Name: name, Role: role, Key: keyOf(name), Teams: teams})
}

func (w *world) device(dev string, ms int64, account string) {
	w.t.Helper()
	w.hello(dev, ms, acl.Hello{Account: account}, account, "")
}

// print is all that a state says.
func print(s *acl.State) string {
	var b strings.Builder
	for _, a := range s.Accounts() {
		fmt.Fprintf(&b, "%+v\n", a)
	}
	for _, d := range s.Devices() {
		fmt.Fprintf(&b, "%v %s %s %d %d %d %v %v %v\n", d.Key, d.Account, d.Label, d.Since, d.Size, d.Counts, d.Frozen, d.Closed, d.Broken)
	}
	for _, r := range s.Rules() {
		fmt.Fprintf(&b, "%s %d %s\n", r.ID, r.Pos, r)
	}
	problems, more := s.Problems()
	fmt.Fprintf(&b, "%v %d %d grants %q\n", problems, more, len(s.Grants()), s.LinkBox())
	fmt.Fprintf(&b, "%+v %v\n", s.Epochs("all"), s.Below(root()))
	return b.String()
}

func wantProblem(t *testing.T, s *acl.State, dev, words string) {
	t.Helper()
	list, _ := s.Problems()
	for _, p := range list {
		if p.Device == key(dev) && strings.Contains(p.Reason, words) {
			return
		}
	}
	t.Errorf("no problem of %s with %q in %v", dev, words, list)
}

func wantNoProblems(t *testing.T, s *acl.State) {
	t.Helper()
	if list, more := s.Problems(); len(list)+more > 0 {
		t.Errorf("problems: got %v, want none", list)
	}
}

func wantAccount(t *testing.T, s *acl.State, name string, role acl.Role, gone bool) acl.Account {
	t.Helper()
	a, ok := s.Account(name)
	if !ok || a.Role != role || a.Gone != gone {
		t.Errorf("account %s: got %+v, %v, want role %s, gone %v", name, a, ok, role, gone)
	}
	return a
}

// busy is a group in which much happens, some of it not allowed.
func busy(t testing.TB) *world {
	w := newWorld(t)
	w.sign("alice1", 10, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join")})
	w.account(11, "carol", acl.Publisher, "crew")
	w.sign("bob1", 12, acl.AccountChange{Name: "dave", Role: acl.Member, Key: keyOf("dave")})
	w.device("carol1", 20, "carol")
	w.device("carol2", 21, "carol")
	w.device("dave1", 22, "dave")
	for i := range 12 {
		w.join(fmt.Sprintf("guest%d-1", i), 30+int64(i), fmt.Sprintf("guest%d", i%10), "join") // two names are taken
	}
	w.rule("alice1", 40, "r1", 10, "allow @crew publish films/** until 2027-01-01")
	w.rule("bob1", 40, "r1", 20, "deny * publish films/**")
	w.rule("bob1", 41, "r2", 5, "deny guest1 read hr/**")
	w.sign("carol1", 50, acl.AccountChange{Name: "carol", Key: keyOf("carol-new"), Keep: keep("carol1", -1)})
	w.share("carol2", 60)
	w.sign("dave1", 61, acl.AccountChange{Name: "eve", Role: acl.Publisher, Key: keyOf("eve")})
	w.sign("alice1", 70, acl.AccountChange{Name: "guest3", Gone: true, Keep: keep("guest3-1", 1)})
	w.sign("bob1", 71, acl.AccountChange{Name: "guest3", Role: acl.Publisher, Key: keyOf("guest3")})
	w.device("guest3-2", 45, "guest3")
	w.sign("bob1", 80, acl.AccountChange{Name: "join", Role: acl.Invite, Key: keyOf("join2"), Keep: keep("guest0-1", -1, "guest1-1", -1)})
	w.join("late-1", 79, "late", "join")
	w.join("new-1", 90, "new", "join2")
	w.sign("new-1", 91, acl.Grant{Audience: "all", Epoch: 1, To: []string{"carol"}, Box: []byte("x")})
	w.sign("alice1", 92, acl.NewLink{Box: []byte("link")})
	w.sign("alice1", 93, acl.Tree{Body: pair()})
	w.sign("alice1", 94, acl.Epoch{Audience: "all", Epoch: 9, Gen: 1, Own: []byte("own"), Root: root(), Box: []byte("box")})
	w.sign("carol2", 95, acl.Epoch{Audience: "all", Epoch: 8, Gen: 1, Own: []byte("own")})
	w.sign("alice1", 96, acl.Epoch{Audience: "all", Epoch: 7, Before: []int64{9}, Old: []byte("old")})
	r := w.roots[0].Successor(timeAt(100))
	r.Admins = r.Admins[:1]
	r.Keep = keep("bob1", 6)
	w.root(r)
	return w
}

// shuffled folds w's parts in a random order, each read in random steps.
func (w *world) shuffled(r *rand.Rand, memo *acl.Memo) *acl.State {
	w.t.Helper()
	var parts []*acl.Part
	for dev, lines := range w.logs {
		p := acl.NewPart(w.gid(), key(dev))
		for len(lines) > 0 {
			n := 1 + r.IntN(len(lines))
			p.Add(signed.ParseLog(key(dev), p.Size, p.Last, slices.Values(lines[:n]), start.Add(time.Hour)))
			lines = lines[n:]
		}
		parts = append(parts, p)
	}
	roots := slices.Clone(w.roots)
	r.Shuffle(len(roots), func(i, j int) { roots[i], roots[j] = roots[j], roots[i] })
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	s, err := acl.Fold(roots, parts, memo)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
