package node

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/p2pshare/p2pshare/acl"
	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
	"github.com/p2pshare/p2pshare/internal/names"
)

// mirrorPlan is what a mirror is to hold at a moment.
type mirrorPlan struct {
	order []string                    // the infos of what is wanted, the newest of each name first
	by    map[string][]*catalog.Entry // the entries of an info: several may have the same content
	held  []catalog.Held              // what is encrypted, of a mirror that cannot read it
	left  []LeftOut
	large []LeftOut // of those what --space has no room for though it is the newest, or larger than all of it
}

// planMirror says what of the group is to be mirrored here.
func (m *member) planMirror(ix *catalog.Index, f group.Follow) mirrorPlan {
	c := m.Settings()
	p := wantedEntries(ix, f, c)
	if me, err := m.Account(); err != nil || me.Role != acl.Mirror {
		return p
	}
	var space int64
	for _, h := range slices.Backward(ix.Held()) { // the newest first
		if f.Space > 0 && space+h.Size > f.Space {
			if h.Size > f.Space {
				out := LeftOut{Ref: "what " + h.Account + " published encrypted", Size: h.Size, Why: overSpace(f)}
				p.left, p.large = append(p.left, out), append(p.large, out)
			}
			continue
		}
		space += h.Size
		p.held = append(p.held, h)
	}
	return p
}

func overSpace(f group.Follow) string { return "--space is " + sizeText(f.Space) }

// wantedEntries are the newest of each name that match, as many as are to be kept and have room, the newest of all first.
// Releases, pre-releases and words such as nightly are counted apart, so that none drives out the others. What the user has removed, and
// what the mirror itself has removed for something newer, is not wanted again.
func wantedEntries(ix *catalog.Index, f group.Follow, c group.Settings) mirrorPlan {
	p := mirrorPlan{by: map[string][]*catalog.Entry{}}
	skipped, old := map[string]bool{}, map[string]bool{}
	for _, info := range c.Skip {
		skipped[info] = true
	}
	for _, e := range c.Old {
		old[e] = true
	}
	var space int64
	for depth := 0; ; depth++ {
		more := false
		for _, name := range ix.Names() {
			if !matchesAny(f.Match, name.Name) {
				continue
			}
			for _, versions := range byClass(name) {
				if depth >= len(versions) || f.Keep > 0 && depth >= f.Keep {
					continue
				}
				more = true
				e := versions[depth]
				info := e.Info.String()
				out := LeftOut{Ref: e.Ref(), Size: e.Size}
				switch {
				case ownFolder(name.Name):
					out.Why = "its folder would lie where the mirror keeps its own files"
				case skipped[info]:
					out.Why = "it was removed here, until p2pshare group follow is given anew"
				case p.by[info] == nil && old[oldEntry(e)]:
					out.Why = "it was removed for something newer that was taken back since, until p2pshare group follow is given anew"
				case p.by[info] == nil && f.Space > 0 && space+e.Size > f.Space:
					out.Why = overSpace(f)
					if depth == 0 || e.Size > f.Space {
						p.large = append(p.large, out)
					}
				}
				if out.Why != "" {
					p.left = append(p.left, out)
					continue
				}
				if p.by[info] == nil {
					space += e.Size
					p.order = append(p.order, info)
				}
				p.by[info] = append(p.by[info], e)
			}
		}
		if !more {
			return p
		}
	}
}

// oldEntry is how an entry is remembered that went for a newer one: the same content may come back under another name.
func oldEntry(e *catalog.Entry) string { return e.Ref() + " " + e.Info.String() }

// alarm says what --space keeps from being mirrored; none: nothing.
func (p *mirrorPlan) alarm(group string, f group.Follow) (alarm, bool) {
	if len(p.large) == 0 {
		return alarm{}, false
	}
	first, need := p.large[0], f.Space
	what := fmt.Sprintf("%s (%s) is not mirrored", first.Ref, sizeText(first.Size))
	if more := len(p.large) - 1; more > 0 {
		what = fmt.Sprintf("%s (%s) and %d more are not mirrored", first.Ref, sizeText(first.Size), more)
	}
	for _, x := range p.large {
		need += x.Size
	}
	return alarm{what + ": " + first.Why, fmt.Sprintf("p2pshare group follow %s -o %s --space %s has room for them all; give --keep and --match again too", group, f.Dir, strings.ReplaceAll(sizeText(need+need/10), " ", "")), false}, true
}

// byClass are a name's versions by their catalog.Class, the latest of each first.
func byClass(name *catalog.Name) (out [3][]*catalog.Entry) {
	for _, e := range name.Versions {
		out[e.Class()] = append(out[e.Class()], e)
	}
	return out
}

// superseded are versions that are not to be kept, but stay as long as newer ones of their kind and name are not whole: of
// what is whole as many stay as are to be kept, so that nobody empties a mirror by publishing what cannot be fetched. They
// stay where there is room beside what is wanted; where --space leaves none, for they were not wanted, one stays to take
// from. Nothing of it is remembered, so a daemon that starts again decides the same.
func (k *keeper) superseded(ix *catalog.Index, f group.Follow, wanted map[string]bool) map[string]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	here := map[string]*item{}
	for _, it := range k.items {
		here[it.rec.Info] = it
	}
	stays := map[string]bool{}
	var space int64
	counted := map[string]bool{}
	for _, e := range ix.Entries() {
		if info := e.Info.String(); wanted[info] && !counted[info] {
			counted[info] = true
			space += e.Size
		}
	}
	for _, name := range ix.Names() {
		if !matchesAny(f.Match, name.Name) {
			continue
		}
		for _, versions := range byClass(name) {
			coming, whole := false, 0
			var rest []*catalog.Entry // whole, and not to be kept
			for _, e := range versions {
				it := here[e.Info.String()]
				there := it != nil && it.rec.Fetch == nil
				switch {
				case wanted[e.Info.String()] && there:
					whole++
				case wanted[e.Info.String()]:
					coming = true
				case there && e.Sealed == "":
					rest = append(rest, e)
				}
			}
			if !coming {
				continue
			}
			for _, e := range rest[:min(len(rest), max(max(f.Keep, 1)-whole, 0))] {
				if f.Space > 0 && space+e.Size > f.Space {
					break
				}
				space += e.Size
				stays[e.Info.String()] = true
			}
		}
	}
	return stays
}

// ownFolder says whether an entry would lie where a mirror has what is its own: a publisher could put a folder where the copy
// of the group is to be written.
func ownFolder(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(names.Key(first), names.Key(".p2pshare"))
}

func matchesAny(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		if ok, err := doublestar.Match(names.FoldEntry(g), names.FoldEntry(name)); ok && err == nil {
			return true
		}
	}
	return false
}

// maxLeftOut is how many entries are listed that a mirror leaves out.
const maxLeftOut = 100

// mirrorInfo says how far the mirror is, and what needs somebody.
func (m *member) mirrorInfo(f group.Follow) (*Mirror, []alarm) {
	out := &Mirror{Free: -1, LeftOut: []LeftOut{}}
	if free, err := freeSpace(existing(f.Dir)); err == nil {
		out.Free = free
	}
	plan := m.plan.Load()
	if plan == nil { // no daemon runs, or it has not looked yet
		ix, err := m.Index()
		if err != nil {
			return out, nil
		}
		p := m.planMirror(ix, f)
		plan = &p
	}
	out.Wanted, out.Left = len(plan.order)+len(plan.held), len(plan.left)
	out.LeftOut = append(out.LeftOut, plan.left[:min(len(plan.left), maxLeftOut)]...)
	torrents := map[string]bool{}
	for _, h := range plan.held {
		torrents[h.Torrent.String()] = true
	}
	for _, r := range m.s.n.records() {
		held := r.Signed != nil && r.Signed.Held && torrents[r.Signed.Torrent]
		if r.Fetch == nil && (plan.by[r.Info] != nil || held) {
			out.Here++
			out.Bytes += r.Size
		}
	}
	if a, ok := plan.alarm(m.Name(), f); ok {
		return out, []alarm{a}
	}
	return out, nil
}

// freeFolder refuses a folder that another group is mirrored into, or one in or around it: each removes what is not its own.
func (s *groups) freeFolder(m *member, dir string) error {
	for _, other := range s.list() {
		if other == m {
			continue
		}
		if f := other.followed(); f != nil && (sameOrWithin(dir, f.Dir) || sameOrWithin(f.Dir, dir)) {
			return fault.Hint(fault.New(fault.InUse, "the group %q is mirrored into %q", other.Name(), f.Dir), "give each group a folder of its own: -o %s", filepath.Join(dir, m.Name()))
		}
	}
	return nil
}

// moves says what becomes of what is mirrored already when the folder of the mirror is another one from now on.
func (m *member) moves(was *group.Follow, dir string) (notes []string) {
	if was == nil || was.Dir == dir {
		return nil
	}
	n, bytes := 0, int64(0)
	for _, r := range m.s.n.records() {
		if r.Mirror == m.ID().String() && within(r.Path, was.Dir) {
			n, bytes = n+1, bytes+r.Size
		}
	}
	if n == 0 {
		return nil
	}
	from, err := deviceOf(existing(was.Dir))
	to, err2 := deviceOf(existing(dir))
	if err == nil && err2 == nil && from == to {
		return []string{fmt.Sprintf("what is mirrored already moves there from %s: %s, %s", was.Dir, count(n, "share"), sizeText(bytes))}
	}
	return []string{fmt.Sprintf("what is mirrored already is copied there from %s, which is on another disk, and then removed: %s, %s", was.Dir, count(n, "share"), sizeText(bytes))}
}
