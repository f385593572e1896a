package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"github.com/p2pshare/p2pshare/catalog"
	"github.com/p2pshare/p2pshare/internal/fault"
	"github.com/p2pshare/p2pshare/internal/group"
)

// Catalog carries out what is asked of a group's catalog.
func (n *Node) Catalog(ctx context.Context, r CatalogRequest, on func(Event)) (*CatalogAnswer, error) {
	on, end := n.hear(on)
	defer end()
	s, err := n.openGroups(ctx)
	if err != nil {
		return nil, err
	}
	m, err := s.get(r.Group)
	if err != nil {
		return nil, err
	}
	a := &CatalogAnswer{Entries: []Entry{}, Problems: []string{}}
	switch {
	case r.List != nil:
		err = m.listEntries(*r.List, a)
	case r.Show != nil:
		err = m.showEntry(*r.Show, a)
	case r.Verify != nil:
		err = m.verifyAll(a)
	case r.Export != nil:
		if err = notOver(*r.Export); err == nil {
			a.Devices, a.Records, err = m.WriteArchive(*r.Export, outMode(r.Umask))
		}
	case r.Import != nil:
		var arc *group.Archive
		if arc, err = group.ReadArchive(*r.Import); err == nil {
			a.Records, err = arc.Into(ctx, m.Group)
		}
	case r.Drop != nil:
		err = m.drop(ctx, r, a, on)
	case r.Taken != nil:
		err = m.takenBack(*r.Taken, a)
	default:
		err = fault.New(fault.Usage, "nothing is asked of the catalog")
	}
	if err != nil {
		return nil, err
	}
	a.Group = m.info()
	return a, nil
}

// notOver keeps an export from replacing anything but another export.
func notOver(path string) error {
	return replaceable(path, "export of a group", func([]byte) bool {
		_, err := group.ReadArchive(path)
		return err == nil
	})
}

func (m *member) listEntries(l ListCatalog, a *CatalogAnswer) error {
	ix, err := m.Index()
	if err != nil {
		return err
	}
	st, err := m.State()
	if err != nil {
		return err
	}
	var all []*catalog.Entry
	usual, latest := map[*catalog.Entry]bool{}, map[*catalog.Entry]bool{}
	for _, name := range ix.Names() {
		all = append(all, name.Versions...)
		usual[name.Usual()], latest[name.Versions[0]] = true, true
	}
	if l.Search != "" {
		all = ix.Search(l.Search)
	}
	seen := map[string]bool{}
	for _, e := range all {
		if m.mayRead(st, e) != nil {
			continue
		}
		// What the name alone means, and what is newer; of what was searched for, at least one of a name.
		if l.All || usual[e] || latest[e] || l.Search != "" && !seen[e.Name] {
			x := m.entry(e, nil)
			x.Usual = usual[e]
			a.Entries = append(a.Entries, x)
			seen[e.Name] = true
		}
	}
	problems, more := ix.Problems()
	for _, p := range problems {
		a.Problems = append(a.Problems, p.String())
	}
	if more > 0 {
		a.Problems = append(a.Problems, fmt.Sprintf("and %d more", more))
	}
	return nil
}

func (m *member) showEntry(ref string, a *CatalogAnswer) error {
	e, err := m.resolve(ref)
	if err != nil {
		return err
	}
	full, _, err := m.Share(e)
	if err != nil {
		return err
	}
	a.Entries = append(a.Entries, m.entry(e, full))
	return nil
}

// resolve finds the entry of NAME[@VERSION].
func (m *member) resolve(ref string) (*catalog.Entry, error) {
	name, version, err := catalog.SplitName(ref)
	if err != nil {
		return nil, err
	}
	ix, err := m.Index()
	if err != nil {
		return nil, err
	}
	return ix.Resolve(name, version)
}

// entry is an entry as others see it; full has what an index leaves out, or is nil.
func (m *member) entry(e *catalog.Entry, full *catalog.Share) Entry {
	out := Entry{
		Unconfirmed: m.unconfirmed(e.Account),
		Ref:         m.Name() + "/" + e.Ref(), Name: e.Name, Version: e.Version, Content: e.Content, Size: e.Size, Files: e.Files,
		Time: e.Published(), Until: e.Until, Note: e.Note, Account: e.Account, Device: e.Device.String(),
		InfoSHA256: e.Info.String(), For: e.Read,
	}
	if e.V1 != nil {
		out.Infohash = e.V1.HexString()
	}
	if full != nil {
		out.WebSeeds = full.WebSeeds
	}
	if !m.private() {
		out.Magnet = magnetOf(e, out.WebSeeds)
	}
	for _, o := range e.Also {
		out.Others = append(out.Others, o.Account)
	}
	return out
}

// magnetOf is what any BitTorrent client fetches the entry by.
func magnetOf(e *catalog.Entry, webSeeds []string) string {
	v2 := metainfo.MagnetV2{DisplayName: e.Content}
	if e.V1 != nil {
		v2.InfoHash.Set(*e.V1)
	} else {
		v2.V2InfoHash.Set([sha256.Size]byte(e.Info))
	}
	if len(webSeeds) > 0 {
		v2.Params = map[string][]string{"ws": webSeeds}
	}
	return v2.String()
}

// verifyAll reads and judges everything that is held again.
func (m *member) verifyAll(a *CatalogAnswer) error {
	for _, h := range m.AllHeads() {
		l, err := m.Log(h.Device)
		if err != nil {
			a.Problems = append(a.Problems, err.Error())
			continue
		}
		if l.Broken != nil {
			a.Problems = append(a.Problems, l.Broken.Error())
		}
		a.Devices++
		a.Records += int64(len(l.Records))
	}
	for _, p := range m.Group.Problems() {
		a.Problems = append(a.Problems, p.String())
	}
	s, err := m.State()
	if err != nil {
		return err
	}
	problems, _ := s.Problems()
	for _, p := range problems {
		a.Problems = append(a.Problems, p.String())
	}
	ix, err := m.Index()
	if err != nil {
		return err
	}
	shares, _ := ix.Problems()
	for _, p := range shares {
		a.Problems = append(a.Problems, p.String())
	}
	a.Problems = append(a.Problems, m.warnings(s)...)
	return nil
}

// takenBack says whether an entry was taken back, and by whom.
func (m *member) takenBack(ref string, a *CatalogAnswer) error {
	name, version, err := catalog.SplitName(ref)
	if err != nil {
		return err
	}
	ix, err := m.Index()
	if err != nil {
		return err
	}
	if t := ix.TakenBack(name, version); t != nil {
		a.Taken = takenOf(t)
	}
	return nil
}

func takenOf(t *catalog.Taken) *Taken { return &Taken{By: t.By, Time: t.Time(), Note: t.Why} }

func (m *member) drop(ctx context.Context, r CatalogRequest, a *CatalogAnswer, on func(Event)) error {
	if err := m.maySign(ctx, r.Offline, on); err != nil {
		return err
	}
	e, err := m.resolve(*r.Drop)
	if err != nil {
		return err
	}
	me, err := m.Account()
	if err != nil {
		return m.WhyNot("drop anything")
	}
	if me.Name != e.Account && me.Role != "admin" {
		return fault.Hint(fault.New(fault.Denied, "%q was published by %q", e.Ref(), e.Account), "%q can drop it, or an admin", e.Account)
	}
	a.Entries = append(a.Entries, m.entry(e, nil))
	records, err := m.dropRecords(e, r.Note)
	if err != nil {
		return err
	}
	if err := m.Append(records...); err != nil {
		return err
	}
	m.passOn(ctx, on)
	return nil
}

// dropRecords take an entry back. Why is sealed to those who could read the entry, where it was.
func (m *member) dropRecords(e *catalog.Entry, note string) ([]group.Record, error) {
	if note == "" || !m.private() {
		if _, err := catalog.NoteBody(note); err != nil && note != "" {
			return nil, fault.New(fault.Usage, "--note: %w", err)
		}
		return []group.Record{(&catalog.Drop{ID: e.ID, Note: note}).Marshal}, nil
	}
	to, err := m.Audience(e.Path(), e.Read)
	if err != nil {
		return nil, err
	}
	if _, err := catalog.NoteBody(note); err != nil {
		return nil, fault.New(fault.Usage, "--note: %w", err)
	}
	return append(to.Grants, to.Drop(e.ID, note)), nil
}

// signedEntry is what a fetch by name holds the torrent against.
func (m *member) signedEntry(e *catalog.Entry, full *catalog.Share) *SignedEntry {
	s := &SignedEntry{Ref: m.Name() + "/" + e.Ref(), Account: e.Account, N: e.N, Content: e.Content, Size: e.Size, Files: e.Files, Info: e.Info.String(), Torrent: e.Torrent.String()}
	if e.V1 != nil {
		s.Infohash = e.V1.HexString()
	}
	if m.private() {
		s.Group, s.Sealed, s.SealedSize = m.ID().String(), string(e.Sealed), e.SealedSize
	}
	if e.Chunks != nil {
		s.Chunks = e.Chunks.String()
	}
	if sums := full.FileSums(); sums != nil {
		s.Sums = sums.String()
	}
	return s
}

// noTorrent is for who asks for an entry of a private group while nobody who has its .torrent is online: nothing but members
// can be asked.
func noTorrent(m *member, e *catalog.Entry, err error) error {
	if !errors.Is(err, errNoTorrent) {
		return err
	}
	if err := m.errOut(); err != nil {
		return err
	}
	return fault.Hint(fault.New(fault.NotFound, "no member that is online has %s/%s", m.Name(), e.Ref()),
		"it was published by %q: it can be fetched when that machine is online, or one that has fetched it", e.Account)
}

// errNoTorrent is an entry of which no member has the .torrent: its info then comes from the swarm.
var errNoTorrent = errors.New("no member has the torrent")

// entryTime is when an entry was published, for the log.
func entryTime(e *catalog.Entry) string { return e.Published().Format(time.RFC3339) }

// catalogs are the indexes of the groups that this process has open, by their names here.
func (n *Node) catalogs() map[string]*catalog.Index {
	out := map[string]*catalog.Index{}
	if s := n.groups.Load(); s != nil {
		for _, m := range s.list() {
			if ix, err := m.Index(); err == nil {
				out[m.Name()] = ix
			}
		}
	}
	return out
}

// takenFrom says whether the entry of a record was taken back; nil: it was not, or nobody knows.
func (r *record) takenFrom(all map[string]*catalog.Index) *Taken {
	group, ref, _ := strings.Cut(r.Entry, "/")
	ix := all[group]
	if ix == nil {
		return nil
	}
	name, version, err := catalog.SplitName(ref)
	if err != nil {
		return nil
	}
	if t := ix.TakenBack(name, version); t != nil && t.Info.String() == r.Info {
		return takenOf(t)
	}
	return nil
}
