package catalog

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/names"
	"github.com/p2pshare/p2pshare/internal/signed"
)

// Authority says whose records count. acl.State is one.
type Authority interface {
	// MayPublish judges record index of a device's log, of the time n, as a share at path. rank is the place of the
	// rule that allows it, an admin before others, and who has been here for longer before who came later: of two accounts with a
	// share of one name and version, the lower has it.
	MayPublish(device signed.Key, index, n int64, path string) (account string, rank int, err error)

	// MayShare says in whose name a record shares something at a path that is not known.
	MayShare(device signed.Key, index, n int64) (account string, err error)

	// MayDrop says in whose name a record drops shares; an admin drops anyone's.
	MayDrop(device signed.Key, index, n int64) (account string, admin bool, err error)
}

// Index is what a group shares, by name. It is not changed after Build has made it, and may be read from several
// goroutines.
type Index struct {
	names    []*Name
	byKey    map[string]*Name
	entries  int
	held     []Held
	taken    map[slot]*Taken
	problems []Problem
	more     int
}

// Name is an entry's name with its versions.
type Name struct {
	Name     string   // as its latest version writes it
	Versions []*Entry // the highest first; behind them what is no version of package version, the newest first
	key      string
}

// Held is a share that this member cannot open, and a mirror can hold. What of it others know, until when it is listed
// and by what name it is replaced, is sealed.
type Held struct {
	Hold
	Account string
	Device  signed.Key
	Index   int64
	N       int64
}

// Taken is an entry that was taken back.
type Taken struct {
	*Entry
	By     string     // the account
	At     int64      // the time of the record, in ms, as an Entry's N
	Why    string     // its note, as far as it can be read here
	Device signed.Key // of the record of it
	Index  int64
}

// Time is when it was taken back.
func (t *Taken) Time() time.Time { return time.UnixMilli(t.At).UTC() }

func (t *Taken) String() string {
	s := fmt.Sprintf("%s was taken back by %s on %s", t.Ref(), t.By, t.Time().Format(time.DateOnly))
	if t.Why != "" {
		s += ": " + t.Why
	}
	return s
}

// slot is a name with a version, whatever their spelling.
type slot struct{ key, version string }

func slotOf(name, version string) slot { return slot{names.FoldEntry(name), versionKey(version)} }

// Build judges and orders what the Parts hold, at a time. The order of the Parts does not matter.
func Build(parts []*Part, auth Authority, now time.Time) *Index {
	ix := &Index{byKey: map[string]*Name{}, taken: map[slot]*Taken{}}
	parts = slices.SortedFunc(slices.Values(parts), func(a, b *Part) int { return bytes.Compare(a.Device[:], b.Device[:]) })
	events := ix.judged(parts, auth)
	type id struct{ account, id string }
	live := make(map[id]*event, len(events))
	byID := map[string][]id{}
	take := func(k id, drop *event) {
		if e := live[k]; e != nil && e.entry != nil {
			ix.taken[slotOf(e.entry.Name, e.entry.Version)] = &Taken{e.entry, drop.account, drop.n, drop.note, drop.device, drop.index}
		}
		delete(live, k)
	}
	for i := range events {
		e := &events[i]
		k := id{e.account, e.item.id}
		switch {
		case !e.drop:
			if _, again := live[k]; !again {
				byID[k.id] = append(byID[k.id], k)
			}
			live[k] = e
		case e.admin:
			for _, k := range byID[k.id] {
				take(k, e)
			}
			delete(byID, k.id)
		default:
			take(k, e)
		}
	}
	entries := make([]*Entry, 0, len(live))
	for i := range events {
		e := &events[i]
		switch {
		case e.drop || live[id{e.account, e.item.id}] != e:
		case e.entry == nil && e.hold != nil:
			ix.held = append(ix.held, Held{*e.hold, e.account, e.device, e.index, e.n})
		case e.entry != nil && (e.entry.Until.IsZero() || now.Before(e.entry.Until)):
			entries = append(entries, e.entry)
		}
	}
	ix.group(entries)
	return ix
}

// event is a record that counts, with who speaks.
type event struct {
	item
	device  signed.Key
	account string
	admin   bool   // of a drop
	entry   *Entry // of a share that was opened
}

func (ix *Index) judged(parts []*Part, auth Authority) []event {
	total := 0
	for _, p := range parts {
		total += len(p.items)
	}
	events := make([]event, 0, total)
	for _, p := range parts {
		for _, o := range p.odd {
			ix.problem(o)
		}
		for _, it := range p.items {
			e := event{item: it, device: p.Device}
			var err error
			switch {
			case it.drop:
				e.account, e.admin, err = auth.MayDrop(p.Device, it.index, it.n)
			case it.share == nil:
				e.account, err = auth.MayShare(p.Device, it.index, it.n)
			default:
				e.entry = &Entry{Share: it.share, Device: p.Device, Index: it.index, N: it.n, ver: it.ver, parsed: it.parsed}
				e.account, e.entry.rank, err = auth.MayPublish(p.Device, it.index, it.n, it.share.Path())
				e.entry.Account = e.account
			}
			if err != nil {
				ix.problem(Problem{p.Device, it.index, err.Error()})
				continue
			}
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.n, b.n), bytes.Compare(a.device[:], b.device[:]), cmp.Compare(a.index, b.index))
	})
	return events
}

func (ix *Index) problem(p Problem) {
	if len(ix.problems) == maxProblems {
		ix.more++
		return
	}
	ix.problems = append(ix.problems, p)
}

// group sorts entries, which come in the order of their records, by name and version.
func (ix *Index) group(entries []*Entry) {
	slots := make(map[slot][]*Entry, len(entries))
	order := make([]slot, 0, len(entries))
	for _, e := range entries {
		k := slotOf(e.Name, e.Version)
		delete(ix.taken, k) // it was published again
		if slots[k] == nil {
			order = append(order, k)
		}
		slots[k] = append(slots[k], e)
	}
	for _, k := range order {
		n := ix.byKey[k.key]
		if n == nil {
			n = &Name{key: k.key}
			ix.byKey[k.key] = n
			ix.names = append(ix.names, n)
		}
		n.Versions = append(n.Versions, decide(slots[k]))
		ix.entries++
	}
	for _, n := range ix.names {
		n.sort()
	}
	slices.SortFunc(ix.names, func(a, b *Name) int { return cmp.Compare(a.key, b.key) })
}

// decide says which of several shares of one name and version stands: of one account the latest; of several
// accounts that of the lowest rank, of those with one rank the first.
func decide(same []*Entry) *Entry {
	if len(same) == 1 {
		return same[0]
	}
	var latest []*Entry
	for _, e := range same {
		i := slices.IndexFunc(latest, func(o *Entry) bool { return o.Account == e.Account })
		if i < 0 {
			latest = append(latest, e)
			continue
		}
		e.Replaces = latest[i].Replaces + 1
		latest[i] = e
	}
	best := 0
	for i, e := range latest {
		if e.rank < latest[best].rank {
			best = i
		}
	}
	e := latest[best]
	e.Also = slices.Delete(latest, best, best+1)
	return e
}

func (n *Name) sort() {
	slices.SortFunc(n.Versions, func(a, b *Entry) int {
		switch {
		case a.parsed && b.parsed:
			return b.ver.Compare(a.ver) // never 0: group puts one version into one slot
		case a.parsed:
			return -1
		case b.parsed:
			return 1
		}
		return cmp.Or(cmp.Compare(b.N, a.N), bytes.Compare(b.Device[:], a.Device[:]), cmp.Compare(b.Index, a.Index))
	})
	n.Name = n.Versions[0].Name
}

// Len is the number of entries: names and versions that stand.
func (ix *Index) Len() int { return ix.entries }

// Names are the names in order. The caller changes nothing of them.
func (ix *Index) Names() []*Name { return ix.names }

// Held are the shares that count and cannot be opened, but held, in the order of their records: what a mirror keeps.
func (ix *Index) Held() []Held { return slices.Clone(ix.held) }

// Problems are the shares and drops that do not count; more says how many there are beyond those.
func (ix *Index) Problems() (list []Problem, more int) { return slices.Clone(ix.problems), ix.more }

// Entries are all entries, by name and then the latest first.
func (ix *Index) Entries() []*Entry {
	out := make([]*Entry, 0, ix.entries)
	for _, n := range ix.names {
		out = append(out, n.Versions...)
	}
	return out
}

// Search returns the entries that hold every word of words, in any case, in name, version, content, note or
// publisher, by name and then the latest first.
func (ix *Index) Search(words string) []*Entry {
	wanted := strings.Fields(strings.ToLower(words))
	var out []*Entry
	for _, n := range ix.names {
		for _, e := range n.Versions {
			if e.holds(n.key, wanted) {
				out = append(out, e)
			}
		}
	}
	return out
}

func (e *Entry) holds(key string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(key, names.FoldEntry(w)) && !contains(e.Name, w) && !contains(e.Version, w) && !contains(e.Content, w) &&
			!contains(e.Account, w) && !contains(e.Note, w) {
			return false
		}
	}
	return true
}

// contains says whether s holds a lower-case word, without making another string of ASCII.
func contains(s, word string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return strings.Contains(strings.ToLower(s), word)
		}
	}
	return strings.Contains(s, word)
}

// Resolve finds the entry that is meant by name and version: a version, latest, stable, a range, or empty: the highest that
// is no pre-release, else the one that has no version, else the highest. Case and composition do not matter, nor how a
// version is spelled. Errors are of fault.NotFound, with what there is.
func (ix *Index) Resolve(name, want string) (*Entry, error) {
	n := ix.byKey[names.FoldEntry(name)]
	if n == nil {
		hint := "p2pshare catalog list GROUP --search WORD looks for names"
		if t := ix.lastTaken(name, want); t != nil {
			return nil, fault.Hint(fault.New(fault.NotFound, "%v", t), "nothing else is called so; %s", hint)
		}
		return nil, fault.Hint(fault.New(fault.NotFound, "nothing here is called %q", name), "%s", hint)
	}
	want = strings.ToLower(want)
	switch want {
	case "":
		return n.Usual(), nil
	case Latest:
		return n.Versions[0], nil
	}
	r, isRange := readRange(want)
	key := versionKey(want)
	for _, e := range n.Versions {
		switch {
		case isRange:
			if e.parsed && r.holds(e.ver) {
				return e, nil
			}
		case want == Stable:
			if e.Class() == Release {
				return e, nil
			}
		case e.Version != "" && versionKey(e.Version) == key:
			return e, nil
		}
	}
	if t := ix.taken[slotOf(name, want)]; t != nil {
		return nil, fault.Hint(fault.New(fault.NotFound, "%v", t), "there is %s", n.some())
	}
	return nil, fault.Hint(fault.New(fault.NotFound, "%q has no version %q", n.Name, want), "there is %s", n.some())
}

// lastTaken is what was taken back of a name that nothing has any more: the version that is wanted, or the last of all.
func (ix *Index) lastTaken(name, want string) (last *Taken) {
	if t := ix.taken[slotOf(name, want)]; t != nil {
		return t
	}
	for k, t := range ix.taken {
		if k.key == names.FoldEntry(name) && (last == nil || t.At > last.At) {
			last = t
		}
	}
	return last
}

// TakenBack is the entry of a name and version that was taken back, and not published again; nil if there is none.
func (ix *Index) TakenBack(name, version string) *Taken { return ix.taken[slotOf(name, version)] }

// Taken are the entries that were taken back and not published again, in no order.
func (ix *Index) Taken() []*Taken { return slices.Collect(maps.Values(ix.taken)) }

// Usual is the entry that a name alone means.
func (n *Name) Usual() *Entry {
	best := n.Versions[0]
	for _, e := range n.Versions {
		switch {
		case e.Class() == Release:
			return e // the highest, for they are in order
		case e.Version == "":
			best = e
		}
	}
	return best
}

// Class is what kind of version an entry has.
type Class int

// Release is a number; PreRelease one with a pre-release behind it, as in 1.5.0-rc.1; Unordered is a word such as nightly,
// a date with hyphens, or none.
const (
	Release Class = iota
	PreRelease
	Unordered
)

// Class says what kind of version it is.
func (e *Entry) Class() Class {
	switch {
	case !e.parsed:
		return Unordered
	case e.ver.Pre():
		return PreRelease
	}
	return Release
}

// some names a few versions.
func (n *Name) some() string {
	var list []string
	for _, e := range n.Versions[:min(5, len(n.Versions))] {
		list = append(list, e.Ref())
	}
	s := strings.Join(list, ", ")
	if more := len(n.Versions) - len(list); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}
