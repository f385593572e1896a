package acl

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/p2pshare/p2pshare/internal/panics"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Memo remembers which signatures were found good or bad, so that folding again costs no curve arithmetic. It may
// be shared by folds of several groups and goroutines; nil is none.
type Memo struct {
	seen sync.Map // [32]byte -> bool
}

// verify says whether sig is k's over the hello of p.
func (m *Memo) verify(k signed.Key, p *Part, sig []byte) bool {
	b := make([]byte, 0, 128)
	b = append(append(append(b, k[:]...), p.sum[:]...), sig...)
	id := sha256.Sum256(b)
	if good, known := m.seen.Load(id); known {
		return good.(bool)
	}
	good := k.Verify(helloDomain, p.msg, sig)
	m.seen.Store(id, good)
	return good
}

// warm checks on all cores what the walks will ask. A name with many keys is left to them: which key it has, they know.
func (m *Memo) warm(roots []*signed.SignedRoot, parts []*Part) error {
	const few = 4
	keys := map[string][]signed.Key{}
	add := func(name string, k signed.Key) {
		if list := keys[name]; len(list) <= few && !slices.Contains(list, k) {
			keys[name] = append(list, k)
		}
	}
	for _, r := range roots {
		for _, a := range r.Admins {
			add(a.Name, a.Key)
		}
	}
	for _, p := range parts {
		if p.hello != nil && p.hello.Key != nil {
			add(p.hello.Account, *p.hello.Key)
		}
		for _, o := range p.ops {
			if c, ok := o.body.(AccountChange); ok && c.Key != nil {
				add(c.Name, *c.Key)
			}
		}
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for list := range slices.Chunk(parts, 64) {
		g.Go(panics.Caught(func() error {
			for _, p := range list {
				if p.hello == nil {
					continue
				}
				h := p.hello
				if k := keys[h.Account]; len(k) <= few {
					for _, k := range k {
						m.verify(k, p, h.Sig)
					}
				}
				if k := keys[h.Invite]; h.Invite != "" && len(k) <= few {
					for _, k := range k {
						m.verify(k, p, h.ISig)
					}
				}
			}
			return nil
		}))
	}
	return g.Wait()
}

// Fold adds up what was signed: roots 1 to the latest, each judged by signed.SignedRoot.Next, and one Part a device.
// Their order does not matter. The Memo may be nil.
func Fold(roots []*signed.SignedRoot, parts []*Part, memo *Memo) (*State, error) {
	roots = slices.SortedFunc(slices.Values(roots), func(a, b *signed.SignedRoot) int { return int(a.Version - b.Version) })
	for i, r := range roots {
		if r.Version != int64(i+1) || i > 0 && r.Prev != roots[i-1].Hash {
			return nil, fmt.Errorf("folding a group: the roots are no chain at version %d", i+1)
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("folding a group: it has no root")
	}
	parts = slices.SortedFunc(slices.Values(parts), func(a, b *Part) int { return slices.Compare(a.Device[:], b.Device[:]) })
	for i := range parts {
		if i > 0 && parts[i].Device == parts[i-1].Device {
			return nil, fmt.Errorf("folding a group: device %v has two logs", parts[i].Device)
		}
	}
	if memo == nil {
		memo = new(Memo) // each walk asks again
	}
	if err := memo.warm(roots, parts); err != nil {
		return nil, fmt.Errorf("folding a group: %w", err)
	}
	ops := sorted(parts)
	// What admins took away holds from the start, against records with earlier times; then what accounts took from
	// their own devices, so far as the admins let them.
	w := newWalk(roots, memo, nil, nil)
	w.run(ops)
	pins := w.pins
	w = newWalk(roots, memo, w.byAdmins, pins)
	w.run(ops)
	contested := w.contestants()
	w = newWalk(roots, memo, slices.Concat(w.byAdmins, w.byOwn), pins)
	w.contested = contested
	w.run(ops)
	return w.finish(parts), nil
}

// event is a governance record on its way through the fold; a nil body is the hello of the part.
type event struct {
	op
	part *Part
}

func sorted(parts []*Part) []event {
	var out []event
	for _, p := range parts {
		if p.hello != nil && p.counts(0) {
			out = append(out, event{op{at: order{p.n, p.Device, 0}}, p})
		}
		for _, o := range p.ops {
			if p.counts(o.at.index) {
				out = append(out, event{o, p})
			}
		}
	}
	slices.SortFunc(out, func(a, b event) int { return a.at.compare(b.at) })
	return out
}

// walk is one pass over the records in their order.
type walk struct {
	*State
	memo     *Memo                          // as the two below, hides the State's, which is filled in at the end
	pins     map[string]map[signed.Key]bool // names that admins gave, and the keys they gave them
	given    bool                           // pins were given, and are not to be collected
	before   map[string][]*closure          // that hold from the start
	byAdmins []*closure
	byOwn    []*closure
	claims   map[string][]Claim
	names    map[string]map[signed.Key]int64 // admins of every root, with the last version that has them
	ids      map[string]*Rule
	met      []standing // in the order of the first record of an admin about each
}

func newWalk(roots []*signed.SignedRoot, memo *Memo, before []*closure, pins map[string]map[signed.Key]bool) *walk {
	w := &walk{memo: memo, pins: pins, given: pins != nil, before: map[string][]*closure{}, claims: map[string][]Claim{}, names: map[string]map[signed.Key]int64{}, ids: map[string]*Rule{}}
	if pins == nil {
		w.pins = map[string]map[signed.Key]bool{}
	}
	w.State = &State{roots: roots, root: roots[len(roots)-1], accounts: map[string]*timeline{}, devices: map[signed.Key]*Device{}, vouched: map[string][]*Device{}, nameless: map[signed.Key]Claim{},
		epochs: map[string][]Epoch{}, nodes: map[NodeID]*Node{}, leaves: map[NodeID]*Leaf{}}
	for _, c := range before {
		w.before[c.name] = append(w.before[c.name], c)
	}
	for _, r := range roots {
		for _, a := range r.Admins {
			if w.names[a.Name] == nil {
				w.names[a.Name] = map[signed.Key]int64{}
			}
			w.names[a.Name][a.Key] = r.Version
		}
	}
	// An admin is an account from the beginning, and cannot be made or unmade by a record.
	for _, a := range w.root.Admins {
		t := &timeline{name: a.Name, keys: history{a.Key: 1}}
		t.put(version{at: order{n: -1}, Account: Account{Name: a.Name, Role: Admin, Key: a.Key, Seal: a.Seal, Pinned: true, First: a.Key}})
		w.accounts[a.Name] = t
	}
	return w
}

func (w *walk) run(events []event) {
	for _, e := range events {
		if err := w.apply(e); err != nil {
			w.problem(Problem{e.at.device, e.at.index, err.Error()})
		}
	}
}

func (w *walk) problem(p Problem) {
	if len(w.problems) == maxProblems {
		w.dropped++
		return
	}
	w.problems = append(w.problems, p)
}

func (w *walk) apply(e event) error {
	if e.body == nil {
		return w.hello(e)
	}
	a, _, err := w.author(e.at.device, e.at.index, e.at.n)
	if err != nil {
		return err
	}
	admin := a.Role == Admin
	if !admin && (a.Gone || a.expired(e.at)) {
		return denied("the account %q was removed, or has ended", a.Name)
	}
	switch b := e.body.(type) {
	case AccountChange:
		if admin && a.Name != b.Name {
			return w.change(e.at, b)
		}
		return w.ownChange(e.at, a, b)
	case RuleChange:
		if !admin {
			return denied("%q is no admin, and sets no rules", a.Name)
		}
		return w.rule(e.at, b)
	case Grant:
		// Whose audience it is, the shares say; a box that nobody asked for opens nothing.
		if !admin && a.Role != Publisher && a.Role != Backup && a.Role != Member {
			return denied("%q of the role %s grants nothing", a.Name, a.Role)
		}
		if t := w.accounts[a.Name]; !admin && a.Role != Backup && !t.grants.take(e.at.n, maxGrants, maxGrantsDaily) {
			return denied("%q has granted %d times on one day or %d in all, and more does not count", a.Name, maxGrantsDaily, maxGrants)
		}
		b.By, b.Admin, b.N = a.Name, admin, e.at.n
		w.grants = append(w.grants, b)
	case Epoch:
		if !admin {
			return denied("%q is no admin, and makes no keys of the group", a.Name)
		}
		b.N = e.at.n
		w.epochs[b.Audience] = append(w.epochs[b.Audience], b)
	case Tree:
		if !admin {
			return denied("%q is no admin, and makes no keys of the group", a.Name)
		}
		w.grow(b)
	case NewLink:
		if !admin {
			return denied("%q is no admin, and sets no link", a.Name)
		}
		w.link = b
	}
	return nil
}

func (a *Account) expired(o order) bool { return !a.Until.IsZero() && o.n >= a.Until.UnixMilli() }

func (w *walk) finish(parts []*Part) *State {
	for _, p := range parts {
		for _, o := range p.odd {
			if p.counts(o.Index) {
				w.problem(o)
			}
		}
		broken := p.Broken
		if !p.counts(p.Size) {
			broken = nil // behind all that may count
		}
		if broken != nil {
			w.problem(Problem{p.Device, p.Size, broken.Error()})
		}
		d := w.devices[p.Device]
		if d == nil {
			continue // of nobody: what it says of the time moves no one's clock
		}
		d.Size, d.Broken, d.Frozen, d.Closed = lower(p.Common, p.Size), broken, p.Common >= 0, d.Counts >= 0
		d.Counts = lower(d.Counts, p.Common)
		d.silent = p.hello.Key == nil && len(p.ops) == 0
		switch {
		case d.Removed():
		case d.admin:
			w.lastAdmins = max(w.lastAdmins, p.Last)
		default:
			w.lastOthers = max(w.lastOthers, p.Last)
		}
	}
	w.seniority = make(map[standing]int, len(w.met))
	for _, m := range w.met {
		if _, known := w.seniority[m]; !known {
			w.seniority[m] = len(w.seniority)
		}
	}
	w.State.pins, w.State.before, w.State.memo = w.pins, w.before, w.memo
	slices.SortStableFunc(w.problems, func(a, b Problem) int {
		if c := slices.Compare(a.Device[:], b.Device[:]); c != 0 {
			return c
		}
		return int(a.Index - b.Index)
	})
	// Devices of removed accounts that brought nothing that counts stay known: they are to be refused by name.
	maps.DeleteFunc(w.accounts, func(_ string, t *timeline) bool { return len(t.versions) == 0 })
	return w.State
}
